"""The report as data: its order, its JSON, what no JSON can hold."""

import json
import math
from pathlib import Path

import numpy as np
import torch

from gradbench.diagnosis.check_list import FAILED
from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.tell.json_safe import json_safe
from gradbench.diagnosis.tell.report import Report


def test_the_json_has_the_shape_that_is_promised(report: Report) -> None:
    told = report.as_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    first = told["findings"][0]
    assert first == {
        "check": "GB901",
        "severity": "error",
        "symptom": "none",
        "file": "train.py",
        "line": 6,
        "also": [{"file": "train.py", "line": 13, "role": "backward"}],
        "parameters": ["encoder.weight", "encoder.bias"],
        "title": "`torch.tensor` of computed values is a constant",
        "message": "`encoder.weight` got no gradient in 8 of 8 backward passes.",
        "why": "`torch.tensor` copies the numbers out of the graph.",
        "fix": "total = torch.stack(parts).sum()",
        "evidence": {"largest": "nan", "passes": 8},
        "atlas": "snapshot_detached",
    }
    assert (told["steps"], told["seconds"], told["overhead"]) == (8, 1.5, 1.4)
    assert told["watched"] == {"parameters": 2, "optimizers": 1, "backward passes": 8}


def test_the_most_urgent_comes_first(report: Report) -> None:
    assert [f.severity.value for f in report.findings] == ["error", "warning", "note"]
    assert list(report.to_dataframe()["line"]) == [6, 14, 3]
    assert list(Report(program="").to_dataframe().columns) == list(report.to_dataframe().columns)


def test_a_file_elsewhere_keeps_its_path(report: Report, tmp_path: Path) -> None:
    assert report.shown("/elsewhere/train.py") == "/elsewhere/train.py"
    assert report.shown("<stdin>") == "<stdin>"
    link = tmp_path / "link"
    link.symlink_to(report.folder)
    assert report.shown(str(link / "train.py")) == "link/train.py"
    linked = Report(program="", folder=str(link))
    assert linked.shown(str(Path(report.folder) / "train.py")) == "train.py"


def test_a_check_that_failed_is_no_finding() -> None:
    failed = FAILED.found(Place("check.py", 3), "GB901 did not look to the end: KeyError: 1")
    told = Report(program="", findings=(failed,))
    assert told.findings == ()
    assert told.unseen == ("GB901 did not look to the end: KeyError: 1 (check.py:3)",)


def test_what_was_measured_becomes_json() -> None:
    measured = {
        "tensor": torch.tensor([1.0, math.inf]),
        "number": np.float32(2),
        "flag": np.bool_(True),
        "shape": torch.Size([2, 3]),
        "set": {"b", "a"},
        "dtype": torch.float16,
        1: -math.inf,
    }
    assert json_safe(measured) == {
        "tensor": [1.0, "inf"],
        "number": 2.0,
        "flag": True,
        "shape": [2, 3],
        "set": ["a", "b"],
        "dtype": "torch.float16",
        "1": "-inf",
    }
