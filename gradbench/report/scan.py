"""What tables too large for memory say, taken by DuckDB without holding their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.results.column import Column
    from gradbench.results.files import TableFiles

_SAMPLES = """
SELECT run, host, block, cell, protocol, phase,
       count(*) AS samples,
       count(*) FILTER (NOT disturbed) AS clean,
       quantile_cont(seconds, 0.25) FILTER (protocol = 'training' AND NOT disturbed) AS quarter_s,
       quantile_cont(seconds, 0.75) FILTER (protocol = 'training' AND NOT disturbed)
           AS three_quarters_s
FROM rows GROUP BY ALL ORDER BY ALL
"""

_GRADIENTS = """
SELECT run, host, block, cell, step,
       count(*) AS tensors,
       count(*) FILTER (NOT present) AS missing,
       sqrt(sum(norm * norm)) AS norm,
       quantile_cont(norm, 0.25) AS norm_quarter,
       quantile_cont(norm, 0.75) AS norm_three_quarters,
       sum(zero_fraction * elements) / sum(elements) FILTER (present) AS zero_fraction,
       max(zero_fraction) AS zero_fraction_most,
       min(zero_fraction) AS zero_fraction_least,
       sum(nan_count)::BIGINT AS nan_count,
       sum(inf_count)::BIGINT AS inf_count,
       max(relative_error) AS relative_error,
       min(cosine) AS cosine
FROM rows GROUP BY ALL ORDER BY ALL
"""

_MEMORY = "1GB"


def sample_counts(files: TableFiles) -> pd.DataFrame:
    """Count each cell's and phase's samples; give the middle half of training's clean ones.

    Args:
        files: Files of table ``samples``.

    Returns:
        A row for each run, host, block, cell, protocol and phase.
    """
    return scan(_SAMPLES, files, "samples")


def gradient_steps(files: TableFiles) -> pd.DataFrame:
    """Sum up the gradients of each cell at each step over its tensors.

    The norm of all tensors together is ‖g‖ = √Σ‖gᵢ‖²; the share of zeros is weighted by elements.

    Args:
        files: Files of table ``gradients``.

    Returns:
        A row for each run, host, block, cell and step.
    """
    return scan(_GRADIENTS, files, "gradients")


def scan(query: str, files: TableFiles, table: str) -> pd.DataFrame:
    """Query files, of which some may be older than a column of their table.

    Args:
        query: SQL over ``rows``: the columns of the table and ``file``, where a row is from.
        files: The files.
        table: Name of the table.

    Returns:
        What the query selects.
    """
    with opened(files, table) as ask:
        return ask(query)


@contextmanager
def opened(files: TableFiles, table: str) -> Iterator[Callable[..., pd.DataFrame]]:
    """Open files for several queries.

    Args:
        files: The files.
        table: Name of the table.

    Yields:
        What answers a query as :func:`scan` takes it, with further tables by name.
    """
    import duckdb

    from gradbench.results.location import filesystem

    parts, given = _rows(files, table)
    with duckdb.connect(config={"memory_limit": _MEMORY}) as connection:
        connection.execute("SET enable_progress_bar = false")  # it would go to standard output
        connection.execute("SET preserve_insertion_order = false")
        remote = next((fs for file in files.readable if (fs := filesystem(file))), None)
        if remote is not None:
            connection.register_filesystem(remote)

        def ask(query: str, **frames: pd.DataFrame) -> pd.DataFrame:
            for name, frame in frames.items():
                connection.register(name, frame)
            return connection.execute(f"WITH rows AS ({parts}) {query}", given).df()

        yield ask


def _rows(files: TableFiles, table: str) -> tuple[str, dict[str, list[str]]]:
    """Select all columns of a table from files that agree in which they have, and unite those."""
    from gradbench.results.location import address
    from gradbench.results.schema import TABLES

    kinds: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for file in files.readable:
        kinds[files.known[file].columns].append(address(file))
    selections, given = [], {}
    for number, (columns, addresses) in enumerate(kinds.items()):
        there = ", ".join(
            f'"{c.name}"' if c.name in columns else f'{_literal(c)} AS "{c.name}"'
            for c in TABLES[table]
        )
        given[f"files_{number}"] = addresses
        read = f"read_parquet($files_{number}, filename = true)"
        selections.append(f"SELECT {there}, filename AS file FROM {read}")
    if not selections:
        none = ", ".join(f'{_literal(c)} AS "{c.name}"' for c in TABLES[table])
        selections = [f"SELECT {none}, NULL::VARCHAR AS file LIMIT 0"]
    return " UNION ALL ".join(selections), given


_TYPES = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}
"""DuckDB's name of each type that a column may have."""


def _literal(column: Column) -> str:
    """Write what is known to be a column's value in files older than it."""
    value = "NULL" if column.before is None else f"'{column.before}'"
    return f"{value}::{_TYPES[str(column.type)]}"
