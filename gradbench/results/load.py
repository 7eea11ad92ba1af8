"""Reading results, from any number of runs and machines."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class UnreadableResults(UserWarning):
    """Files that were left out, by name and reason."""


def load(path: str | Path = "results", table: str = "cells") -> pd.DataFrame:
    """Load one table of every run below a path.

    Args:
        path: A folder at any level: of all runs, of one run, or holding folders of many machines.
        table: ``cells``, ``samples``, ``gradients``, ``observations`` or ``runs``.

    Returns:
        One row per row of the files, in order of their paths; no rows where there are no files.
        The columns are those of ``results/README.md``. Files that are no readable parquet of
        this table and schema version are left out, with a warning that names each.

    Raises:
        FileNotFoundError: There is no such path.
        ValueError: There is no such table.
    """
    # Imported here: `python -m gradbench --help` must not wait for pandas.
    import pyarrow as pa
    import pyarrow.parquet as pq

    from gradbench.results.schema import TABLES, VERSION, arrow_schema

    if table not in TABLES:
        raise ValueError(f"table {table!r}: choose one of {', '.join(TABLES)}")
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"no such folder: {root}")
    schema = arrow_schema(table)
    tables, unreadable = [], []
    for file in _files(root, table):
        try:
            content = pq.read_table(file, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            unreadable.append(f"{file}: {str(error).splitlines()[0]}")
            continue
        metadata = content.schema.metadata or {}
        version = metadata.get(b"gradbench.schema", b"none").decode()
        if version != VERSION or metadata.get(b"gradbench.table", b"").decode() != table:
            unreadable.append(f"{file}: schema version {version}, this gradbench reads {VERSION}")
            continue
        tables.append(content.select(schema.names))
    if unreadable:
        warnings.warn("left out: " + "; ".join(unreadable), UnreadableResults, stacklevel=2)
    frame: pd.DataFrame = pa.concat_tables(tables or [schema.empty_table()]).to_pandas()
    return frame


def _files(root: Path, table: str) -> list[Path]:
    """List the files of a table at or below a path, hidden temporary files left out."""
    if root.is_file():
        return [root]
    nested = root.rglob(f"{table}/*.parquet")
    found = {*nested, *(root.glob("*.parquet") if root.name == table else ())}
    return sorted(file for file in found if not file.name.startswith("."))
