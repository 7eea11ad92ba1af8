from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from gradbench.terminal.zeroings import zeroing_costs, zeroing_tables
from tests.terminal.cells import row


def cell(strategy: str, zeroing: str, speedup: float, width: float = 0.01, **figures: Any) -> Any:
    """Return a cell whose step has a speedup with an interval so wide, either way."""
    return row(
        strategy,
        run="r",
        cell=f"{strategy}/{zeroing}",
        **{
            **{"zeroing": zeroing, "training_zero_s": 1e-6, "backward_s": 5e-3},
            **{"training_update_s": 1e-3, "step_peak_extra_bytes": 2_000_000},
            **{"step_s": 8e-3 / speedup, "step_samples": 40, "step_noise_floor": 0.01},
            **{"step_s_low": 8e-3 / speedup / 1.01, "step_s_high": 8e-3 / speedup * 1.01},
            **{"step_speedup": speedup, "step_speedup_low": speedup / (1 + width)},
            **{"step_speedup_high": speedup * (1 + width), **figures},
        },
    )


NO_FIGURE = dict.fromkeys(
    f"{figure}{end}" for figure in ("step_s", "step_speedup") for end in ("", "_low", "_high")
)

ROWS = [
    cell("base", "slow", 0.8),
    cell("base", "few", 9.0, **{**NO_FIGURE, "step_samples": 5}),
    cell("base", "alike", 1.02),
    cell("base", "unknown", 1.5, 0.6),
    cell("base", "set_to_none", 1.0, 0.0, role="baseline"),
    cell("base", "fast", 1.25, step_peak_extra_bytes=3_000_000),
    cell("base", "broken", 9.0, status="wrong"),
    cell("other", "fast", 9.0),
]


def lines(rows: list[Any]) -> list[str]:
    (table,) = zeroing_tables(pd.DataFrame(rows))
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return [line for line in console.export_text().splitlines() if "│" in line]


def test_zeroings_are_ranked_by_the_verdict_on_the_whole_step() -> None:
    costs = zeroing_costs(pd.DataFrame(ROWS))
    assert list(zip(costs["zeroing"], costs["zeroing_verdict"], strict=True)) == [
        ("fast", "faster"),
        ("set_to_none", "default"),
        ("alike", "same"),
        ("unknown", "unclear"),
        ("slow", "slower"),
        ("few", ""),
    ]


def test_a_zeroing_is_not_faster_by_its_phases_alone() -> None:
    """Backward passes that do not differ, and yet were timed 7 % apart."""
    rows = [cell("base", "set_to_none", 1.0, 0.0, role="baseline"), cell("base", "other", 1.0)]
    costs = zeroing_costs(pd.DataFrame([rows[0], {**rows[1], "backward_s": 4.6e-3}]))
    assert list(costs["zeroing_verdict"]) == ["default", "same"]


def test_without_a_noise_floor_nothing_is_faster() -> None:
    rows = [{**own, "step_noise_floor": None} for own in ROWS]
    assert set(zeroing_costs(pd.DataFrame(rows))["zeroing_verdict"]) == {
        *("default", "same", "unclear", "")
    }


def test_the_table_has_step_verdict_phases_and_memory_of_each_zeroing() -> None:
    fast, default, _, _, _, few = lines(ROWS)
    assert all(word in fast for word in ("fast", "6.40 ms", "1.25×", "faster", "5.0 ms", "3 MB"))
    assert all(word in default for word in ("set_to_none", "8.00 ms", "default", "2 MB"))
    assert "5 clean steps" in few
    assert "×" not in few


def test_steps_of_older_files_were_not_timed_whole() -> None:
    older = {**NO_FIGURE, "step_s": 7e-3, "step_samples": None}
    shown = lines([{**own, **older} for own in ROWS])
    assert all("timed phase by phase" in line for line in shown)
    assert not any("7.00 ms" in line for line in shown)


def test_blocks_that_differ_in_threads_have_headings_of_their_own() -> None:
    rows = [{**own, "block": str(n), "threads": n} for n in (1, 2) for own in ROWS]
    (table,) = zeroing_tables(pd.DataFrame(rows))
    headings = [str(cell) for cell in table.columns[0].cells if cell]
    assert headings == ["mlp · sgd · 1 thread", "mlp · sgd · 2 threads"]


@pytest.mark.parametrize("kept", [slice(4, 5), slice(6, 8)])
def test_one_zeroing_is_no_table(kept: slice) -> None:
    assert zeroing_tables(pd.DataFrame(ROWS[kept])) == []
