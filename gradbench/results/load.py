"""Reading results, from any number of runs and machines."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from gradbench.results.files import LeftOut


class UnreadableResults(UserWarning):
    """Files that were left out, by name and reason."""


def load(path: str | Path = "results", table: str = "cells") -> pd.DataFrame:
    """Load one table of every run below a path.

    Args:
        path: A folder at any level: of all runs, of one run, or holding folders of many machines;
            a path, or with the extra ``remote`` any URL of fsspec's, such as ``s3://bucket/runs``.
        table: One of ``gradbench.results.schema.TABLES``, such as ``cells`` or ``samples``.

    Returns:
        One row per row of the files, in order of their paths; no rows where there are no files.
        The columns are those of ``results/README.md``. Files that are no whole parquet of this
        table and schema version, or whose checksum does not match, are left out, with a warning
        that names each.

    Raises:
        BadRequest: It is a URL and the extra ``remote`` is not installed.
        FileNotFoundError: There is no such path.
        ValueError: There is no such table.
    """
    frame, left_out = load_readable(path, table)
    if left_out:
        reasons = "; ".join(map(str, left_out))
        warnings.warn(f"left out: {reasons}", UnreadableResults, stacklevel=2)
    return frame


def load_readable(
    paths: str | Path | Iterable[str | Path], table: str = "cells"
) -> tuple[pd.DataFrame, list[LeftOut]]:
    """Load what can be read below paths, and list what cannot.

    Args:
        paths: One or several folders or files; a file below two of them counts once.
        table: Name of the table.

    Returns:
        The rows, and the files left out.

    Raises:
        FileNotFoundError: There is no such path.
        ValueError: There is no such table.
    """
    # Imported here: `python -m gradbench --help` must not wait for pandas.
    import pyarrow as pa

    from gradbench.results.files import LeftOut, UnreadableFile, find_files, read_file
    from gradbench.results.schema import arrow_schema

    tables, left_out = list[pa.Table](), list[LeftOut]()

    def read(file: Path) -> pa.Table | LeftOut:
        try:
            return read_file(file, table)
        except UnreadableFile as error:
            return LeftOut(file, str(error))

    with ThreadPoolExecutor(4) as pool:  # reading and decoding leave Python's lock free
        for found in pool.map(read, find_files(paths, table)):
            (left_out if isinstance(found, LeftOut) else tables).append(found)
    frame: pd.DataFrame = pa.concat_tables(tables or [arrow_schema(table).empty_table()]).to_pandas(
        use_threads=False
    )  # as in read_file
    return frame, left_out
