from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gradbench.statistics.choice import choose, right_with_default_zeroing, time_over
from tests.terminal.cells import timed

BASE = {**timed("base", 4e-5, 1.0, role="baseline"), "speedup_low": 1.0, "speedup_high": 1.0}


def cell(name: str, speedup: float, half: float = 0.01, **given: Any) -> dict[str, Any]:
    """A cell by its speedup; ``over`` is its time over the fastest's, with its half-width."""
    over, reach = given.pop("over", (None, 0.0))
    paired = {} if over is None else {"over_fastest": over, "over_fastest_low": over / (1 + reach)}
    return {
        **timed(name, 4e-5 / speedup, speedup, cell=name),
        **{"speedup_low": speedup / (1 + half), "speedup_high": speedup * (1 + half)},
        **{"replicates": 12, **paired},
        **({} if over is None else {"over_fastest_high": over * (1 + reach)}),
        **given,
    }


def names(rows: Any) -> list[str]:
    return [row["strategy"] for row in rows]


def test_the_best_of_those_that_are_faster() -> None:
    choice = choose([BASE, cell("a", 2.0), cell("b", 3.0), cell("c", 9.0, half=9.0)])
    assert choice is not None
    assert choice.best["strategy"] == "b"
    assert choice.faster
    assert names(choice.same) == []
    assert names(choice.unclear) == ["c"]


def test_without_a_faster_one_the_baseline_is_kept_and_the_others_are_judged_beside_it() -> None:
    near, far = cell("near", 1.02), cell("far", 0.5)
    choice = choose([BASE, near, far, cell("wide", 1.5, half=1.0)])
    assert choice is not None
    assert choice.best["strategy"] == "base"
    assert not choice.faster
    assert names(choice.same) == ["near"]
    assert names(choice.unclear) == ["wide"]


def test_overlapping_intervals_are_no_reason_to_call_two_the_same() -> None:
    # Each interval holds the other's estimate, and they are as wide as 30 %.
    choice = choose([BASE, cell("a", 3.0, half=0.3), cell("b", 2.9, half=0.3)])
    assert choice is not None
    assert names(choice.same) == []
    assert names(choice.unclear) == ["b"]


@given(
    st.floats(1.5, 5.0),
    st.floats(0.5, 6.0),
    st.floats(0.0, 0.5),
    st.floats(0.0, 0.5),
    st.booleans(),
)
def test_what_is_called_the_same_is_certainly_within_the_margin(
    first: float, second: float, half: float, other: float, paired: bool
) -> None:
    over = {"over": (first / second, other)} if paired else {}
    rows = [BASE, cell("a", first, half), cell("b", second, other, **over)]
    choice = choose(rows)
    assert choice is not None
    for row in choice.same:
        ratio = time_over(row, choice.best)
        assert ratio is not None
        assert 1 / 1.05 <= ratio.low <= ratio.high <= 1.05


def test_pairs_of_rounds_decide_where_there_are_any() -> None:
    fastest = cell("a", 3.0, half=0.2, over=(1.0, 0.0))
    close, far = cell("b", 2.9, half=0.2, over=(1.02, 0.01)), cell("c", 2.8, 0.2, over=(1.2, 0.05))
    choice = choose([BASE, fastest, close, far])
    assert choice is not None
    assert names(choice.same) == ["b"]
    assert names(choice.unclear) == []
    old = {"over_fastest": None, "over_fastest_low": None, "over_fastest_high": None}
    older = choose([BASE, *({**row, **old} for row in (fastest, close, far))])
    assert older is not None
    assert names(older.same) == []
    assert names(older.unclear) == ["b", "c"]


def test_an_interval_that_was_measured_is_taken_as_it_is() -> None:
    lopsided = {**cell("b", 2.9, over=(1.02, 0.0)), "over_fastest_high": 1.04}
    ratio = time_over(lopsided, cell("a", 3.0, over=(1.0, 0.0)))
    assert ratio is not None
    assert (ratio.estimate, ratio.low, ratio.high) == (1.02, 1.02, 1.04)


def test_of_another_reference_the_two_ratios_to_it_are_divided() -> None:
    # The block's fastest is not certainly faster than the baseline, so another is recommended.
    rows = [cell("a", 3.0, half=0.02, over=(1.1, 0.005)), cell("b", 2.9, 0.02, over=(1.12, 0.005))]
    ratio = time_over(rows[1], rows[0])
    assert ratio is not None
    assert ratio.low < 1.12 / 1.1 < ratio.high
    by_speedups = time_over(*({**row, "over_fastest": None} for row in reversed(rows)))
    assert by_speedups is not None
    assert ratio.half_width < by_speedups.half_width


def test_the_baseline_beside_a_strategy_and_back_are_inverse() -> None:
    one = cell("a", 3.0, half=0.02)
    there, back = time_over(one, BASE), time_over(BASE, one)
    assert there is not None
    assert back is not None
    assert (back.estimate, back.low, back.high) == (3.0, 3.0 / 1.02, 3.0 * 1.02)
    assert (there.low, there.high) == (1 / back.high, 1 / back.low)


def test_without_a_baseline_the_shortest_time_is_taken_and_nothing_is_called_the_same() -> None:
    unknown = dict.fromkeys(("speedup", "speedup_low", "speedup_high", "noise_floor"))
    choice = choose([{**cell("a", 2.0), **unknown}, {**cell("b", 3.0), **unknown}])
    assert choice is not None
    assert (choice.best["strategy"], choice.faster) == ("b", False)
    assert names(choice.unclear) == ["a"]
    assert choose([{**cell("a", 2.0), "update_s": None}]) is None


def test_only_right_cells_with_the_baselines_zeroing_are_candidates() -> None:
    rows = [
        BASE,
        cell("a", 2.0),
        cell("b", 9.0, status="wrong"),
        cell("c", 9.0, status="approximate"),
        cell("d", 9.0, zeroing="other"),
        cell("e", 9.0, role="twin"),
    ]
    assert names(right_with_default_zeroing(rows)) == ["base", "a"]
