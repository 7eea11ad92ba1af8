from typing import Any

import pandas as pd

from gradbench.terminal.choices import choice_lines
from tests.terminal.cells import timed

BASE = {
    **timed("optimizer", 4e-5, 1.0, role="baseline", cell="optimizer"),
    **{"model": "mlp_small", "run": "r"},
}
NONE = pd.DataFrame()


def block(name: str = "b", *others: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**BASE, **row, "block": name, "budget_s": 5.0, "threads": 2} for row in (BASE, *others)
    ]


def beside(name: str, low: float, high: float) -> dict[str, Any]:
    middle = (low + high) / 2
    return {
        **timed(name, 4e-5 / middle, middle, cell=name),
        **{"speedup_low": low, "speedup_high": high, "replicates": 12},
        **{"model": "mlp_small", "run": "r", "role": "candidate"},
    }


def test_one_block_has_an_answer_and_the_command_that_would_tell_the_rest() -> None:
    rows = block(
        "b", beside("flat", 2.0, 2.02), beside("foreach", 1.8, 2.1), beside("data", 0.5, 0.6)
    )
    use, unclear = choice_lines(pd.DataFrame(rows), NONE)
    assert use == "use flat"
    assert unclear == (
        "1 could not be told apart in 5 s (foreach): python -m gradbench model=mlp_small rule=sgd "
        "'strategy=[flat,foreach]' 'zeroing=[z]' threads=2 measurement.budget_s=50 would"
    )


def test_what_is_the_same_is_named_beside_the_answer() -> None:
    rows = block("b", beside("flat", 2.01, 2.02), beside("foreach", 2.0, 2.01))
    assert choice_lines(pd.DataFrame(rows), NONE) == ["use flat; same within 5 %: foreach"]


def test_without_a_faster_one_the_baseline_is_kept() -> None:
    rows = block("b", beside("flat", 0.5, 0.6))
    [line] = choice_lines(pd.DataFrame(rows), NONE)
    assert line == "keep optimizer: none is certainly faster"


def test_several_blocks_have_one_line_and_none_where_all_is_clear() -> None:
    clear, unclear = (block("a", beside("flat", 2.0, 2.02)), block("b", beside("flat", 0.9, 1.3)))
    [line] = choice_lines(pd.DataFrame([*clear, *unclear]), NONE)
    assert line.startswith("in 1 of 2 blocks something could not be told from the fastest")
    both = [*clear, *({**row, "block": "c"} for row in clear)]
    assert choice_lines(pd.DataFrame(both), NONE) == []
