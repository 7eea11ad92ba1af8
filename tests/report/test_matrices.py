"""Matrices that sum up many observations."""

from io import StringIO
from typing import Any

from rich.console import Console

from gradbench.report.matrices import matrices
from gradbench.report.matrix import Matrix, merged, together


def placed(strategy: str, placement: str, outcome: str, **more: Any) -> dict[str, Any]:
    shared = {"operation": "x * w", "input_requires_grad": True, "mode": "eager"}
    named = {"strategy": strategy, "placement": placement, "outcome": outcome}
    return {"verdict": "as_documented", **shared, **named, **more}


ROWS = [
    placed("no_grad", "between", "error"),
    placed("no_grad", "between", "old", input_requires_grad=False),
    placed("no_grad", "after_backward", "old"),
    placed("SGD foreach", "between", "error"),
    placed("SGD foreach", "between", "old", input_requires_grad=False),
    placed("SGD foreach", "after_backward", "old"),
    placed("SGD fused", "between", "wrong", verdict="defect"),
    placed("SGD fused", "between", "old", input_requires_grad=False),
    placed("SGD fused", "after_backward", "old"),
    placed("in_hook", "after_backward", "old"),
    placed("absent", "between", "does not run", verdict="skipped"),
    {"verdict": "skipped", "strategy": "cuda_graph", "outcome": "does not run"},
]


def test_updates_that_behave_alike_share_a_row() -> None:
    overview, _ = matrices(ROWS)
    assert overview.header == ["updates that behave alike", "between", "after_backward"]
    assert overview.rows == [
        ["A: no_grad; SGD foreach; in_hook", "old or error", "old"],
        ["B: SGD fused", "old or wrong!", "old"],
    ]


def test_places_where_the_operation_decides_are_shown_by_operation() -> None:
    _, detail = matrices(ROWS)
    assert detail.title.endswith("between")
    assert detail.header == ["operation", "its input", "A", "B"]
    assert detail.rows == [
        ["x * w", "requires grad", "error", "wrong!"],
        ["x * w", "plain", "old", "old"],
    ]


def test_a_mode_that_differs_is_named() -> None:
    rows = [*ROWS[:3], placed("no_grad", "between", "wrong", mode="inductor")]
    _, detail = matrices(rows)
    assert detail.rows[0][2] == "eager: error; compiled: wrong"


def cleared(optimizer: str, implementation: str, zeroing: str, moved: float) -> dict[str, Any]:
    return {
        "verdict": "as_documented",
        "zeroing": zeroing,
        "optimizer": optimizer,
        "implementation": implementation,
        "options": "default",
        "outcome": "moves" if moved else "skips",
        "moved": moved,
    }


def test_implementations_that_differ_are_named_and_zeroings_that_agree_share_a_column() -> None:
    rows = [
        cleared("SGD", "for_loop", "set_to_none", 0.0),
        cleared("SGD", "for_loop", "assign_none", 0.0),
        cleared("SGD", "for_loop", "set_to_zero", 0.5),
        cleared("SGD", "fused", "set_to_none", 0.0),
        cleared("SGD", "fused", "assign_none", 0.0),
        cleared("SGD", "fused", "set_to_zero", 0.25) | {"verdict": "defect"},
        cleared("Adam", "for_loop", "set_to_none", 0.0),
        cleared("Adam", "for_loop", "assign_none", 0.0),
        cleared("Adam", "for_loop", "set_to_zero", 0.0) | {"outcome": "advances"},
    ]
    (matrix,) = matrices(rows)
    assert matrix.header == ["optimizer", "set_to_none, assign_none", "set_to_zero"]
    assert matrix.rows == [
        ["SGD for_loop", "0", "0.5"],
        ["SGD fused", "0", "0.25!"],
        ["Adam", "0", "state"],
    ]


def test_other_experiments_have_no_matrix() -> None:
    assert matrices([{"verdict": "confirmed", "case": "a", "outcome": "old"}]) == []


def test_a_matrix_is_drawn_and_written() -> None:
    matrix = Matrix("a title", ["x * w", "b"], [["c|d", "wrong!"]], "a note")
    stream = StringIO()
    Console(file=stream, width=60).print(matrix.drawn())
    for text in ("a title", "x * w", "c|d", "wrong!", "a note"):
        assert text in stream.getvalue()
    assert matrix.markdown() == (
        "**a title**\n\n| x \\* w | b |\n|---|---|\n| c\\|d | wrong! |\n\na note"
    )


def test_helpers_of_matrices() -> None:
    assert merged({"a": ["1", "2"], "b": ["3", "4"], "c": ["1", "2"]}) == {
        "a, c": ("1", "2"),
        "b": ("3", "4"),
    }
    assert (
        together(["Adam for_loop", "no_grad", "Adam foreach"]) == "Adam for_loop, foreach; no_grad"
    )
