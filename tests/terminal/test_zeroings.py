from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from gradbench.terminal.zeroings import zeroing_costs, zeroing_tables
from tests.terminal.cells import row


def cell(strategy: str, zeroing: str, backward_s: float, zero_s: float, **figures: Any) -> Any:
    return row(
        strategy,
        run="r",
        cell=f"{strategy}/{zeroing}",
        **{
            **{"zeroing": zeroing, "training_zero_s": zero_s, "backward_s": backward_s},
            **{"training_update_s": 1e-3, "step_peak_extra_bytes": 2_000_000, **figures},
        },
    )


ROWS = [
    cell("base", "set_to_none", 5e-3, 1e-6, role="baseline"),
    cell("base", "set_to_zero", 3e-3, 1e-3, step_peak_extra_bytes=3_000_000),
    cell("base", "broken", 1e-6, 1e-6, status="wrong"),
    cell("other", "set_to_zero", 1e-6, 1e-6),
]


def test_a_zeroing_pays_for_what_it_moves_into_backward() -> None:
    costs = zeroing_costs(pd.DataFrame(ROWS))
    assert list(costs["zeroing"]) == ["set_to_zero", "set_to_none"]
    assert list(costs["zero_backward_update_s"]) == pytest.approx([5e-3, 6.001e-3])


def test_the_table_has_time_and_memory_of_each_zeroing() -> None:
    (table,) = zeroing_tables(pd.DataFrame(ROWS))
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    lines = [line for line in console.export_text().splitlines() if "│" in line]
    assert len(lines) == 2
    assert all(word in lines[0] for word in ("set_to_zero", "5.00 ms", "3 MB"))
    assert all(word in lines[1] for word in ("set_to_none (default)", "6.00 ms", "2 MB"))


def test_blocks_that_differ_in_threads_have_headings_of_their_own() -> None:
    rows = [{**own, "block": str(n), "threads": n} for n in (1, 2) for own in ROWS]
    (table,) = zeroing_tables(pd.DataFrame(rows))
    headings = [str(cell) for cell in table.columns[0].cells if cell]
    assert headings == ["mlp · sgd · 1 thread", "mlp · sgd · 2 threads"]


def test_one_zeroing_is_no_table() -> None:
    assert zeroing_tables(pd.DataFrame(ROWS[:1])) == []
    assert zeroing_tables(pd.DataFrame(ROWS[:1] + ROWS[2:])) == []
