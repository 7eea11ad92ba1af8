from typing import Any

import pandas as pd
import pytest

from gradbench.terminal.situations import beware, situation_lines, situations, wrong_in
from tests.terminal.cells import timed

DTYPE = "gradients of another dtype (expected dtype float for `end`)"
ABSENT = "a parameter without a gradient (updates all at once, and a parameter's .grad is None)"
TRANSPOSED = "a transposed gradient (values are off by 254 ulp (at most 2.5) after 1 updates)"


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (None, {}),
        (float("nan"), {}),
        ("", {}),
        (DTYPE, {"gradients of another dtype": "expected dtype float for `end`"}),
        ("a (b); c d (e)", {"a": "b", "c d": "e"}),
        ("a (call f(); then g (h))", {"a": "call f(); then g (h)"}),
        ("a (cut (short); b (c)", {"a": "cut (short", "b": "c"}),
        (TRANSPOSED, {"a transposed gradient": TRANSPOSED.partition(" (")[2][:-1]}),
    ],
)
def test_a_column_is_taken_apart(told: object, found: dict[str, str]) -> None:
    assert situations(told) == found


def test_a_reason_that_names_a_situation_is_one_and_one_that_names_a_rule_is_not() -> None:
    cell = timed("flat", 1e-5, 2.0, reason="with a zero-dim parameter, values are off")
    assert wrong_in(cell) == {"a zero-dim parameter": "values are off"}
    assert wrong_in({**cell, "reason": "with Adam(lr=0.1, eps=0), values are off"}) == {}


def test_what_the_baseline_refuses_too_is_no_warning() -> None:
    cell = timed("flat", 1e-5, 2.0, refuses=f"{ABSENT}; {DTYPE}", wrong_with=TRANSPOSED)
    assert beware(cell, timed("base", 2e-5, 1.0, refuses=DTYPE)) == (
        "refuses: a parameter without a gradient; is wrong in silence with: a transposed gradient"
    )
    assert beware(cell, cell) == ""
    three = timed("flat", 1e-5, 2.0, refuses=f"{ABSENT}; a zero-dim parameter (no); {DTYPE}")
    assert beware(three, None) == "refuses: a parameter without a gradient and 2 more"
    assert "gradients of another dtype" in beware(cell, None)


def lines(**slower: Any) -> list[str]:
    rows = [
        timed("base", 4e-5, 1.0, role="baseline", refuses=DTYPE),
        timed("flat", 1e-5, 4.0, refuses=f"{ABSENT}; {DTYPE}"),
        timed("foreach", 2e-5, 2.0, wrong_with=TRANSPOSED),
    ]
    return situation_lines(pd.DataFrame([{**found, **slower} for found in rows]))


def test_only_the_fastest_is_warned_of_and_only_where_it_is_faster() -> None:
    assert lines() == ["mlp · sgd: flat, the fastest, refuses: a parameter without a gradient"]
    assert lines(noise_floor=9.0) == []
    assert lines(status="approximate") == []
