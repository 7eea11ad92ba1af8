"""Which files below a path can be read, and why the others cannot."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gradbench.results.checksum import checksum, computed
from gradbench.results.location import Identity, each, filesystem, locate
from gradbench.results.schema import TABLES, VERSION, arrow_schema

_MAGIC = b"PAR1"

_SCHEMAS: dict[tuple[str, bytes | None, int], tuple[str, ...]] = {}
"""Columns by table and schema as stored, of those that were checked: files of one version agree in
it, and to compare it field by field takes longer than to hash a file."""


class UnreadableFile(Exception):
    """A file that cannot be read as a table; the message says why."""


@dataclass(frozen=True)
class LeftOut:
    """A file that was left out.

    Args:
        file: Its path.
        reason: Why.
    """

    file: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(frozen=True)
class Whole:
    """What is known of a file that can be read.

    Args:
        rows: Number of its rows.
        checksum: Its checksum; None where it was not looked at. Files alike in it are copies.
        columns: Names of its columns, which are fewer in a file older than a column.
    """

    rows: int
    checksum: str | None
    columns: tuple[str, ...]


@dataclass(frozen=True)
class TableFiles:
    """The files of one table below some paths.

    Args:
        readable: Those that can be read, in order of their paths.
        left_out: The others.
        known: What is known of each that can be read.
    """

    readable: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    known: dict[Path, Whole] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of rows that can be read."""
        return sum(whole.rows for whole in self.known.values())

    def each_once(self) -> TableFiles:
        """Drop copies: of files with one checksum the first."""
        first: dict[object, Path] = {}
        for file in self.readable:
            first.setdefault(self.known[file].checksum or file, file)
        kept = list(first.values())
        return TableFiles(kept, self.left_out, {file: self.known[file] for file in kept})


def readable_files(
    paths: str | Path | Iterable[str | Path], table: str = "cells", *, checksums: bool = True
) -> TableFiles:
    """List the files of a table that a scanner may be given, without decoding a row.

    Args:
        paths: One or several: folders at any level (of all runs, of one run, holding folders of
            many machines), or files.
        table: Name of the table.
        checksums: Read every byte and hold it against the file's checksum (0.15 s for 10 million
            samples); otherwise only what the metadata says is checked.

    Returns:
        The files, each once, in order of their paths.

    Raises:
        FileNotFoundError: There is no such path.
        ValueError: There is no such table.
    """
    files = find_files(paths, table)

    def check(file: Path) -> LeftOut | Whole:
        try:
            return check_file(file, table, checksums=checksums)
        except UnreadableFile as error:
            return LeftOut(file, str(error))

    with ThreadPoolExecutor(4) as pool:  # hashing and reading leave Python's lock free
        answers = list(pool.map(check, files))
    known = {
        file: answer
        for file, answer in zip(files, answers, strict=True)
        if isinstance(answer, Whole)
    }
    left_out = [answer for answer in answers if isinstance(answer, LeftOut)]
    return TableFiles(list(known), left_out, known)


def find_files(paths: str | Path | Iterable[str | Path], table: str) -> list[Path]:
    """List the files of a table at or below paths; hidden temporary files are not among them.

    Args:
        paths: One or several folders or files.
        table: Name of the table.

    Returns:
        Paths in order, each file once.

    Raises:
        FileNotFoundError: There is no such path.
        ValueError: There is no such table.
    """
    if table not in TABLES:
        raise ValueError(f"table {table!r}: choose one of {', '.join(TABLES)}")
    found: dict[Any, Path] = {}
    identity = Identity()
    for root in each(paths):
        for file in _below(locate(root), table):
            found.setdefault(identity(file), file)
    return sorted(found.values(), key=str)


def run_folder(file: Path) -> Path:
    """Name the folder of the run that a file of a table is in.

    Args:
        file: ``RUN/TABLE/NAME.parquet``, or the end of that, relative to the working directory.

    Returns:
        RUN.
    """
    whole = file if len(file.parts) > 2 else file.absolute()
    return whole.parents[1]


def _below(root: Path, table: str) -> list[Path]:
    if not root.exists():
        raise FileNotFoundError(f"no such file or folder: {root}")
    if not root.is_dir():
        return [root]
    if filesystem(root) is not None:
        return _listed(root, table)
    found = []
    for folder, folders, files in os.walk(root):
        place = Path(folder)
        if place.name == table or (place == root and root.resolve().name == table):
            found += [place / name for name in (*files, *folders) if _is_table(name)]
        if table in folders and (place / table).is_symlink():  # not descended into
            found += [file for file in (place / table).iterdir() if _is_table(file.name)]
    return found


def _is_table(name: str) -> bool:
    """Say whether a file holds rows, not the half-written ones of a hidden temporary file."""
    return name.endswith(".parquet") and not name.startswith(".")


def _listed(root: Path, table: str) -> list[Path]:
    """List the files of a table on a remote file system, in one listing."""
    remote: Any = root
    inside = remote.fs.find(remote.path, withdirs=False)
    parts = [PurePosixPath(name).parts for name in inside]
    return [
        _beside(remote, name)
        for name, part in zip(inside, parts, strict=True)
        if part[-2:-1] == (table,) and _is_table(part[-1])
    ]


def _beside(remote: Any, name: str) -> Path:
    """Name another file of the same file system."""
    found: Path = type(remote)(name, protocol=remote.protocol, **remote.storage_options)
    return found


def check_file(file: Path, table: str, *, checksums: bool = True) -> Whole:
    """Check that a file is a whole table of this schema version.

    Args:
        file: The file.
        table: Name of the table it should hold.
        checksums: Whether to read every byte.

    Returns:
        What is known of it then.

    Raises:
        UnreadableFile: It is not.
    """
    if checksums:
        _, whole = _whole(file, table)
        return whole
    try:
        with file.open("rb") as stream, pq.ParquetFile(stream) as opened:
            schema = opened.schema_arrow
            _check_schema(schema, table)
            return Whole(opened.metadata.num_rows, None, tuple(schema.names))
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(_reason(file, error)) from error


def read_file(file: Path, table: str) -> pa.Table:
    """Read a file's rows, once its checksum holds.

    Args:
        file: The file.
        table: Name of the table it should hold.

    Returns:
        Its rows, with the columns of the table in their order; where the file is older than a
        column, what is known of that time, or null.

    Raises:
        UnreadableFile: It is no whole table of this schema version.
    """
    content, _ = _whole(file, table)
    schema = arrow_schema(table)
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as opened:
            there = set(opened.schema_arrow.names)
            # Arrow's pool of threads can abort the interpreter's exit (apache/arrow#34314).
            rows = opened.read([name for name in schema.names if name in there], use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(_first_line(error)) from error
    for column, field_ in zip(TABLES[table], schema, strict=True):
        if field_.name not in rows.column_names:
            filled = pa.repeat(pa.scalar(column.before, field_.type), rows.num_rows)
            rows = rows.append_column(field_, filled)
    return rows.select(schema.names)


def _whole(file: Path, table: str) -> tuple[bytes, Whole]:
    """Read a file and check all but its rows' encoding, which the checksum answers for."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableFile(_first_line(error)) from error
    reason = _misshapen(content)
    if reason is not None:
        raise UnreadableFile(reason)
    found = checksum(content)
    intact = found is not None and found == computed(content)
    if found is not None and not intact:  # asked first: what the metadata says cannot be believed
        raise UnreadableFile("damaged: its checksum does not match")
    try:
        metadata = pq.read_metadata(pa.BufferReader(content))
        key = (table, (metadata.metadata or {}).get(b"ARROW:schema"), metadata.num_columns)
        schema = None if key in _SCHEMAS else metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(f"damaged: {_first_line(error)}") from error
    if schema is not None:
        _check_schema(schema.with_metadata(metadata.metadata), table)
        _SCHEMAS[key] = tuple(schema.names)
    if found is None:
        raise UnreadableFile("no checksum: altered, or written by an older gradbench")
    return content, Whole(metadata.num_rows, found, _SCHEMAS[key])


def _check_schema(schema: pa.Schema, table: str) -> None:
    """Check what a file says of itself: version, table, columns."""
    metadata = schema.metadata or {}
    version = metadata.get(b"gradbench.schema", b"").decode(errors="replace")
    if not version:
        raise UnreadableFile("not a table of gradbench")
    if version != VERSION:
        newer = version.isdecimal() and int(version) > int(VERSION)
        hint = "upgrade gradbench" if newer else "measure again"
        raise UnreadableFile(f"schema version {version}, this gradbench reads {VERSION}: {hint}")
    held = metadata.get(b"gradbench.table", b"").decode(errors="replace")
    if held != table:
        raise UnreadableFile(f"holds table {held or 'unknown'}, not {table}")
    expected = arrow_schema(table)
    lacking = [c.name for c in TABLES[table] if c.name not in schema.names and not c.added]
    if lacking:
        raise UnreadableFile(f"lacks column {', '.join(lacking)}")
    for field_ in expected:
        if field_.name not in schema.names:
            continue
        if schema.field(field_.name).type != field_.type:
            found = schema.field(field_.name).type
            raise UnreadableFile(f"column {field_.name} is {found}, not {field_.type}")


def _misshapen(content: bytes) -> str | None:
    """Say what is wrong with a file's ends; None where they are parquet's."""
    if not content:
        return "empty, 0 bytes"
    if not content.startswith(_MAGIC):
        return "not a parquet file"
    if len(content) < 12 or not content.endswith(_MAGIC):
        return "cut short: the end of the parquet file is missing"
    return None


def _reason(file: Path, error: Exception) -> str:
    """Say why a file cannot be opened, by its ends where they tell."""
    try:
        content = file.read_bytes()
    except OSError as unreadable:
        return _first_line(unreadable)
    return _misshapen(content) or f"damaged: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    """Reduce an error to a line; an operating system's to what went wrong, the file is named."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return next(iter(str(error).splitlines()), type(error).__name__)
