import pandas as pd
import pytest

from gradbench.terminal.approximation import approximation, approximation_lines, bias
from tests.terminal.cells import timed

FIGURES = {"status": "approximate", "dtype": "float32", "update_error": 0.021}


def test_the_error_stands_beside_what_the_strategy_states() -> None:
    cell = timed("coarse", 1e-5, 2.0, **FIGURES, update_error_bound=0.05)
    assert approximation(cell) == "≈ 2.1 % of the update (at most 5.0 %)"
    assert approximation({**cell, "update_error_bound": None}) == "≈ 2.1 % of the update"


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (-0.003, 0.001, "too short by 0.3 % ± 0.1 % on average"),
        (0.02, None, "too far by 2 % on average"),
        (None, None, ""),
    ],
)
def test_the_bias_has_a_side(value: float | None, error: float | None, said: str) -> None:
    cell = timed("coarse", 1e-5, 2.0, **FIGURES, update_bias=value, update_bias_error=error)
    assert bias(cell) == said


def test_a_line_for_each_strategy_with_its_worst_zeroing() -> None:
    worst = timed("coarse", 1e-5, 2.0, **{**FIGURES, "update_error": 0.03}, zeroing="other")
    rows = [timed("coarse", 1e-5, 2.0, **FIGURES), worst, timed("base", 1e-5, 1.0)]
    assert approximation_lines(pd.DataFrame(rows)) == [
        "mlp · sgd · float32: coarse ≈ 3.0 % of the update"
    ]
