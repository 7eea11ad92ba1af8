"""What zeroings leave behind and what the next step makes of it, summed up."""

from __future__ import annotations

from collections.abc import Iterable

from gradbench.report.matrix import DEFECT, Matrix, Row, merged

DEFAULT = "default"
"""What stands for no options."""


def zeroing_tables(rows: Iterable[Row]) -> list[Matrix]:
    """Sum up what zeroings were seen to do.

    Args:
        rows: Rows of ``observations``.

    Returns:
        What each leaves of each kind of gradient, and how far each optimizer then moves; nothing
        where no zeroing was observed.
    """
    cleared = [row for row in rows if row.get("zeroing") and row["verdict"] != "skipped"]
    left: dict[str, dict[str, str]] = {}
    moved: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in cleared:
        mark = DEFECT if row["verdict"] == "defect" else ""
        if row.get("gradient_kind"):
            left.setdefault(row["gradient_kind"], {})[row["zeroing"]] = _left(row) + mark
        elif row.get("optimizer"):
            name = (row["optimizer"], row["options"], row["implementation"])
            moved.setdefault(name, {})[row["zeroing"]] = _moved(row) + mark
    return [
        *_matrix(
            "What zeroing leaves in .grad",
            "gradient",
            left,
            "kept: what a reference to the gradient, taken before, holds now; then: how many "
            "gradients the next backward pass leaves.",
        ),
        *_matrix(
            "How far a parameter moves in a step that brings it no gradient, in learning rates",
            "optimizer",
            _alike(moved),
            "0: neither the parameter nor its state changes; state: only its state does; "
            "!: not what PyTorch documents.",
        ),
    ]


def _left(row: Row) -> str:
    if row.get("next_gradient") is None:
        return str(row["outcome"])
    return f"{row['outcome']}; kept: {row['kept_reference']}; then: {row['next_gradient']:g}"


def _moved(row: Row) -> str:
    words = {"skips": "0", "advances": "state"}
    return (
        words.get(row["outcome"]) or f"{row['moved']:.2g}"
        if row.get("moved") is not None
        else (str(row["outcome"]))
    )


def _alike(moved: dict[tuple[str, str, str], dict[str, str]]) -> dict[str, dict[str, str]]:
    """Put the implementations of an optimizer that do the same into one row."""
    same: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[str]] = {}
    for (optimizer, options, implementation), cells in moved.items():
        same.setdefault((optimizer, options, tuple(cells.items())), []).append(implementation)
    rows = [(optimizer, options) for optimizer, options, _ in same]
    return {
        " ".join(
            [
                optimizer,
                *([options] if options != DEFAULT else []),
                # Named only where an optimizer's implementations differ.
                *([", ".join(names)] if rows.count((optimizer, options)) > 1 else []),
            ]
        ): dict(cells)
        for (optimizer, options, cells), names in same.items()
    }


def _matrix(title: str, corner: str, cells: dict[str, dict[str, str]], note: str) -> list[Matrix]:
    zeroings = list(dict.fromkeys(zeroing for row in cells.values() for zeroing in row))
    columns = merged({name: [row.get(name, "") for row in cells.values()] for name in zeroings})
    rows = [list(row) for row in zip(cells, *columns.values(), strict=True)]
    return [Matrix(title, [corner, *columns], rows, note)] if rows else []
