"""A timeline in a file is the timeline."""

import dataclasses
import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

import gradbench
from gradbench.diagnosis.check_list import look_all
from gradbench.diagnosis.detail_json import dump_detail, load_detail
from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.timeline import Event, Kind, TensorInfo, Timeline
from gradbench.diagnosis.timeline_file import COLUMNS, read_timeline, write_timeline
from gradbench.errors import BadRequest

SECRET = "patient 4711"


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    """A program with a finding, a buffer, an error of its own."""

    def train() -> None:
        for _ in range(2):
            optimizer.zero_grad()
            model[2](model[1](model[0](torch.ones(4, 3))).detach()).sum().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        raise ValueError(SECRET)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    diagnosis = gradbench.diagnose(model, optimizer)
    with pytest.raises(ValueError, match=SECRET), diagnosis:
        train()
    return diagnosis.timeline


def test_it_reads_as_it_was_written(timeline: Timeline, tmp_path: Path) -> None:
    file = tmp_path / "seen.parquet"
    write_timeline(timeline, file)
    read = read_timeline(file)
    for before, after in zip(timeline.events, read.events, strict=True):
        if before.kind is not Kind.error:
            assert dataclasses.asdict(before) == dataclasses.asdict(after)
    assert list(timeline.tensors.items()) == list(read.tensors.items())
    for field in dataclasses.fields(Timeline):
        if field.name not in ("events", "tensors"):
            assert getattr(read, field.name) == getattr(timeline, field.name), field.name
    found = look_all(timeline)
    assert "GB101" in {finding.check.id for finding in found}
    assert look_all(read) == found


def test_every_field_of_an_event_and_a_tensor_has_its_column() -> None:
    columns = {column.name: column for column in COLUMNS}
    assert {field.name for field in dataclasses.fields(Event)} == columns.keys() - {"tensors"}
    inner = {field.name for field in columns["tensors"].type.value_type}
    assert {field.name for field in dataclasses.fields(TensorInfo)} == inner - {"position"}


def test_what_a_program_says_itself_is_not_kept(timeline: Timeline, tmp_path: Path) -> None:
    [error] = timeline.of(Kind.error)
    assert error.detail["message"] == SECRET
    torch_said = dataclasses.replace(error, detail={"message": "of torch", "by": "torch"})
    events = (error, torch_said)
    file = tmp_path / "seen.parquet"
    write_timeline(Timeline(events=events, tensors={}), file)
    assert SECRET.encode() not in file.read_bytes()
    assert [event.detail["message"] for event in read_timeline(file).events] == ["", "of torch"]


def test_the_file_describes_itself(timeline: Timeline, tmp_path: Path) -> None:
    file = tmp_path / "seen.parquet"
    write_timeline(timeline, file)
    schema = pq.read_schema(file)
    assert schema.metadata[b"gradbench.table"] == b"events"
    assert all(schema.field(c.name).metadata[b"description"] for c in COLUMNS)


def test_details_are_what_they_were() -> None:
    detail = {
        "numbers": (1, 2.5, True, None, "text"),
        "none": (),
        "options": ({"lr": 0.1, "betas": (0.9, 0.999)},),
        "limits": (math.inf, -math.inf),
        "set": frozenset({3, 1}),
        "list": [1, (2,)],
        "keys": {1: "one", ("a", 2): "two"},
        "tag": {"$": "float"},
        "place": Place("a.py", 3, "f"),
    }
    read = load_detail(dump_detail(detail))
    assert read == detail
    assert [type(value) for value in read.values()] == [type(value) for value in detail.values()]
    assert math.isnan(load_detail(dump_detail({"x": math.nan}))["x"])


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no parquet")
    with pytest.raises(BadRequest, match="no parquet file"):
        read_timeline(tmp_path / "text")
    with pytest.raises(BadRequest, match="no timeline"):
        read_timeline(tmp_path / "nothing")
    file = tmp_path / "other.parquet"
    write_timeline(Timeline(events=(), tensors={}), file)
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({}), file)
    with pytest.raises(BadRequest, match="holds no timeline"):
        read_timeline(file)
    newer = {**(table.schema.metadata or {}), b"gradbench.schema": b"99"}
    pq.write_table(table.replace_schema_metadata(newer), file)
    with pytest.raises(BadRequest, match="version 99"):
        read_timeline(file)
