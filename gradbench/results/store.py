"""Writing results: whole files, ``cells`` last, and what is already there."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gradbench.errors import Unwritable
from gradbench.machine.held_file import held
from gradbench.request.versions import without_versions
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
            Unwritable: The folder cannot be written.
            KeyError: A row has a column that the table has not.
        """
        schema = arrow_schema(table)
        unknown = {key for row in rows for key in row} - set(schema.names)
        if unknown:
            raise KeyError(f"table {table} has no column {', '.join(sorted(unknown))}")
        content = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
        path = self.path(table, name)
        try:
            _write(path, seal(_parquet(content)))
        except OSError as error:
            why = error.strerror or error
            raise Unwritable(f"{path.parent} cannot be written: {why}") from error
        return path

    def discard(self, table: str, name: str) -> None:
        """Remove a file of a table, if it is there.

        Args:
            table: Name of the table.
            name: Name of the file, without its suffix.

        Raises:
            Unwritable: The folder cannot be written.
        """
        path = self.path(table, name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Unwritable(f"{path} cannot be removed: {error.strerror or error}") from error

    def is_finished(self, name: str, table: str = CELL, column: str = "status") -> bool:
        """Say whether a block, or an experiment, need not run again.

        It is finished when its rows are there, none failed, and not every one was skipped: a
        device or an optional dependency may have come since. Other versions of torch or gradbench
        are another name.

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

    def on_any_host(self, name: str, table: str = CELL) -> list[str]:
        """List the files of the same block, or experiment, on whatever host.

        Args:
            name: Name of one such file, without its suffix; it need not be there.
            table: Name of the table.

        Returns:
            Names without suffix, sorted.
        """
        shared = _without_host(name)
        return [each for each in self._names(table) if _without_host(each) == shared]

    def of_other_versions(
        self, name: str, table: str = CELL, *, any_host: bool = False
    ) -> list[str]:
        """List the files of the same block, or experiment, measured with other versions.

        Args:
            name: Name of one such file, without its suffix; it need not be there.
            table: Name of the table.
            any_host: Those of other hosts, too.

        Returns:
            Names without suffix, sorted; one that holds no versions is of others.
        """
        shared = _without_host if any_host else str
        alike = without_versions(shared(name))
        found = (each for each in self._names(table) if without_versions(shared(each)) == alike)
        return [each for each in found if shared(each) != shared(name)]

    def _names(self, table: str) -> list[str]:
        """List the files of a table, without suffix, sorted."""
        return sorted(file.stem for file in (self.folder / table).glob("[!.]*.parquet"))

    def done_on_any_host(self, name: str, table: str, column: str) -> str | None:
        """Find a block, or experiment, that need not run again, wherever it ran.

        Args:
            name: Name of its file on one host, without its suffix.
            table: The table written last.
            column: The table's column that says ``failed`` or ``skipped``.

        Returns:
            The finished file's name without suffix; None if there is none.
        """
        names = self.on_any_host(name, table)
        return next((each for each in names if self.is_finished(each, table, column)), None)


def _without_host(name: str) -> str:
    """Take the host out of a file's name: what precedes the first hyphen."""
    return name.partition("-")[2]


def now() -> str:
    """Return the time as rows carry it: ISO 8601, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _write(path: Path, content: bytes) -> None:
    """Write a file beside its place, and move it there once the disk has it."""
    # Held: what nobody holds was left by a process that was killed.
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.partial")
    try:
        with held(temporary), temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Have the disk know of a new name before the next file is written."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _parquet(content: pa.Table) -> bytes:
    """Encode a table, with room for its checksum in the metadata."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, content.schema, compression="zstd") as writer:
        writer.write_table(content)
        # Not through the schema: Arrow would keep a second copy of it.
        writer.add_key_value_metadata({KEY: BLANK})
    return sink.getvalue()
