"""Writing results: whole files, ``cells`` last, and what is already there."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gradbench.results.checksum import BLANK, KEY, seal
from gradbench.results.files import UnreadableFile, read_file
from gradbench.results.schema import CELL, arrow_schema

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Store:
    """The folder of one run.

    Args:
        folder: ``results/<run>``; made when the first file is written.
    """

    folder: Path

    def path(self, table: str, name: str) -> Path:
        """Return where a file of a table is."""
        return self.folder / table / f"{name}.parquet"

    def write(self, table: str, name: str, rows: Sequence[Row]) -> Path:
        """Write a file whole or not at all: temporary file, fsync, rename.

        Args:
            table: Name of the table.
            name: Name of the file, without its suffix.
            rows: Rows with every column of the table, or fewer: what lacks is null.

        Returns:
            The file's path.

        Raises:
            OSError: The folder cannot be written.
            KeyError: A row has a column that the table has not.
        """
        schema = arrow_schema(table)
        unknown = {key for row in rows for key in row} - set(schema.names)
        if unknown:
            raise KeyError(f"table {table} has no column {', '.join(sorted(unknown))}")
        content = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
        path = self.path(table, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(seal(_parquet(content)))
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp's 0600 hides results from colleagues
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return path

    def is_finished(self, name: str, table: str = CELL, column: str = "status") -> bool:
        """Say whether a block, or an experiment, need not run again.

        It is finished when its rows are there, none failed, and not every one was skipped: a
        device or an optional dependency may have come since.

        Args:
            name: Name of the file, without its suffix.
            table: The table written last.
            column: The table's column that says ``failed`` or ``skipped``.

        Returns:
            Whether to keep it.
        """
        path = self.path(table, name)
        if not path.is_file():
            return False
        try:
            found = set(read_file(path, table)[column].to_pylist())
        except UnreadableFile:
            return False  # done again, and written over
        return bool(found - {"skipped"}) and "failed" not in found


def _parquet(content: pa.Table) -> bytes:
    """Encode a table, with room for its checksum in the metadata."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, content.schema, compression="zstd") as writer:
        writer.write_table(content)
        # Not through the schema: Arrow would keep a second copy of it.
        writer.add_key_value_metadata({KEY: BLANK})
    return sink.getvalue()
