"""A timeline as a parquet file, which replays without running anything.

It holds names, shapes, places, norms and numbers measured, and none of the program's data: what
the program said in an error of its own is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gradbench.diagnosis.detail_json import dump_detail, load_detail
from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.timeline import Event, Kind, TensorInfo, Timeline
from gradbench.errors import BadRequest
from gradbench.results.column import FLAG, INT, TEXT, Column
from gradbench.version import __version__

VERSION = "1"
"""Version of the layout."""

TABLE = "events"

_PLACE = pa.struct([("file", TEXT), ("line", INT), ("function", TEXT)])
_NUMBERS = pa.list_(INT)
_TENSOR = pa.struct(
    [
        *(("position", INT), ("number", INT), ("name", TEXT), ("role", TEXT)),
        *(("shape", _NUMBERS), ("dtype", TEXT), ("alias", INT), ("of", INT)),
        *(("module", TEXT), ("held", TEXT), ("alive", FLAG), ("holder", _PLACE)),
        *(("root", INT), ("places", INT)),
    ]
)

COLUMNS = (
    Column("index", INT, "", "Position in the timeline, from 0."),
    Column("step", INT, "", "Updates finished before it."),
    Column("kind", TEXT, "", "What it is, such as op, backward or step."),
    Column("name", TEXT, "", "Operator, method, class or attribute."),
    Column("place", _PLACE, "", "The program's line; null where none was running."),
    Column("callers", pa.list_(_PLACE), "", "Its lines that led there, innermost first."),
    Column("api", TEXT, "", "PyTorch's function that the line called."),
    Column("inputs", _NUMBERS, "", "Numbers of the tensors that went in."),
    Column("live", _NUMBERS, "", "Those of `inputs` that required a gradient."),
    Column("outputs", _NUMBERS, "", "Numbers of the tensors that came out or were written."),
    Column("out_live", FLAG, "", "Whether an output requires a gradient."),
    Column("grad_mode", FLAG, "", "Whether gradients were switched on."),
    Column("detail", TEXT, "", "What else was seen, JSON."),
    Column("tensors", pa.list_(_TENSOR), "", "Tensors that no earlier row speaks of."),
)
"""One row for each event."""

_OF_THE_WHOLE = ("program", "steps", "seconds", "observing", "unseen", "ended", "dropped")

_PYTHONS = ("AttributeError", "NameError", "TypeError")
"""Errors of Python's own whose text names attributes and types, and no values."""


def write_timeline(timeline: Timeline, file: Path) -> None:
    """Write a timeline.

    Args:
        timeline: What a program did.
        file: Where to; replaced if it is there.
    """
    told: set[int] = set()
    positions = {number: position for position, number in enumerate(timeline.tensors)}
    rows = []
    for event in timeline.events:
        # What no event speaks of stands in the last row.
        last = event is timeline.events[-1]
        spoken = timeline.tensors if last else (*event.inputs, *event.outputs)
        new = [n for n in dict.fromkeys(spoken) if n in timeline.tensors and n not in told]
        told.update(new)
        rows.append(
            {
                **{name: getattr(event, name) for name in _PLAIN},
                "kind": event.kind.value,
                "place": _place(event.place),
                "callers": [_place(each) for each in event.callers],
                "detail": dump_detail(_without_data(event)),
                "tensors": [
                    {**_tensor_row(timeline.tensors[n]), "position": positions[n]} for n in new
                ],
            }
        )
    whole = {name: getattr(timeline, name) for name in _OF_THE_WHOLE}
    schema = _schema({"gradbench.version": __version__, "gradbench.timeline": dump_detail(whole)})
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file, compression="zstd")


def read_timeline(file: Path) -> Timeline:
    """Read a timeline.

    Args:
        file: What `write_timeline` wrote.

    Returns:
        The timeline.

    Raises:
        BadRequest: There is no such file, or it holds no timeline of this version.
    """
    if not file.is_file():
        raise BadRequest(
            f"no timeline {file}: give a file that diagnose --timeline FILE has written"
        )
    try:
        table = pq.read_table(file, partitioning=None)
    except pa.ArrowException as error:
        raise BadRequest(f"{file} is no parquet file: {error}") from error
    metadata = {
        key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()
    }
    if metadata.get("gradbench.table") != TABLE or "gradbench.timeline" not in metadata:
        raise BadRequest(f"{file} holds no timeline: give what diagnose --timeline has written")
    if metadata.get("gradbench.schema") != VERSION:
        raise BadRequest(
            f"{file} is of version {metadata.get('gradbench.schema')}, and this gradbench reads "
            f"{VERSION}: keep the timeline anew with --timeline"
        )
    whole = load_detail(metadata["gradbench.timeline"])
    place = _Places()
    events: list[Event] = []
    tensors: list[dict[str, Any]] = []
    for batch in table.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            tensors += row["tensors"]
            events.append(_event(row, place))
    tensors.sort(key=lambda each: int(each["position"]))
    return Timeline(
        events=tuple(events),
        tensors={each.number: each for each in (_tensor(row, place) for row in tensors)},
        **whole,
    )


_PLAIN = ("index", "step", "name", "api", "inputs", "live", "outputs", "out_live", "grad_mode")
_TENSOR_FIELDS = tuple(field.name for field in _TENSOR if field.name != "position")


def _schema(metadata: Mapping[str, str]) -> pa.Schema:
    fields = [
        pa.field(c.name, c.type, metadata={"unit": c.unit, "description": c.description})
        for c in COLUMNS
    ]
    return pa.schema(
        fields, metadata={"gradbench.schema": VERSION, "gradbench.table": TABLE, **metadata}
    )


def _place(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"file": place.file, "line": place.line, "function": place.function}


def _without_data(event: Event) -> Mapping[str, Any]:
    """Leave out what a program says in an error of its own: it may quote data."""
    if event.kind is not Kind.error:
        return event.detail
    by = event.detail.get("by")
    kept = by == "torch" or (by == "python" and event.name in _PYTHONS)
    return event.detail if kept else {**event.detail, "message": ""}


class _Places:
    """Makes places, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, str], Place] = {}

    def __call__(self, found: Mapping[str, Any] | None) -> Place | None:
        if found is None:
            return None
        key = (found["file"], found["line"], found["function"])
        return self._known.setdefault(key, Place(*key))


def _event(row: Mapping[str, Any], place: _Places) -> Event:
    callers = (place(each) for each in row["callers"])
    return Event(
        index=row["index"],
        step=row["step"],
        kind=Kind(row["kind"]),
        name=row["name"],
        place=place(row["place"]),
        callers=tuple(each for each in callers if each is not None),
        api=row["api"],
        inputs=tuple(row["inputs"]),
        live=tuple(row["live"]),
        outputs=tuple(row["outputs"]),
        out_live=row["out_live"],
        grad_mode=row["grad_mode"],
        detail=load_detail(row["detail"]),
    )


def _tensor_row(tensor: TensorInfo) -> dict[str, Any]:
    row = {name: getattr(tensor, name) for name in _TENSOR_FIELDS}
    return {**row, "holder": _place(tensor.holder)}


def _tensor(row: Mapping[str, Any], place: _Places) -> TensorInfo:
    plain = {name: row[name] for name in _TENSOR_FIELDS}
    return TensorInfo(**{**plain, "shape": tuple(row["shape"]), "holder": place(row["holder"])})
