import base64
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.benchmark import Timer

from gradbench.errors import BadRequest
from gradbench.request.block import Cell
from gradbench.request.plan import plan_block
from gradbench.timing import instructions as callgrind
from gradbench.timing.contender import Contender
from gradbench.verify.tensors import Tensors
from tests.conftest import SHAPES, Compose, make


class Statistics:
    def counts(self) -> int:
        return 12_345


def contender(name: str) -> Contender:
    return Contender(
        Cell(name, "set_to_none"), make("strategy", name), make("zeroing", "set_to_none")
    )


@pytest.mark.parametrize("name", ["no_grad", "optimizer", "flat"])
def test_what_runs_under_valgrind_is_the_update(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: dict[str, Any] = {}

    def collect(self: Timer, number: int, **_: object) -> Statistics:
        namespace: dict[str, Any] = {}
        exec(self._task_spec.setup, namespace)
        ran["path"] = os.environ["PATH"].split(os.pathsep)[0]
        ran["step"], ran["number"] = namespace["step"], number
        namespace["step"]()
        return Statistics()

    monkeypatch.setattr(Timer, "collect_callgrind", collect)
    before = os.environ["PATH"]
    found = callgrind.instructions(contender(name), make("rule", "adamw"), SHAPES, torch.float32)
    assert found == round(12_345 / ran["number"])
    assert ran["path"] == str(Path(sys.executable).parent)  # `python` is this one
    assert os.environ["PATH"] == before


def test_the_step_is_set_up_before_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[tuple[int, ...]], torch.dtype]] = []

    def bind(strategy: object, zeroing: object, rule: object, tensors: Tensors) -> Any:
        shapes = [tuple(value.shape) for value in tensors.values]
        return lambda: calls.append((shapes, tensors.values[0].dtype)), lambda: None

    monkeypatch.setattr(callgrind, "bind_with_gradients", bind)
    one = contender("no_grad")
    what = (one.strategy, one.zeroing, make("rule", "sgd"), [(3, 2)], "float64")
    callgrind.unpack(base64.b64encode(pickle.dumps(what)).decode())
    assert calls == [([(3, 2)], torch.float64)] * 2


def test_without_valgrind_it_is_refused(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda command: None)
    with pytest.raises(BadRequest, match=r"needs valgrind, .* install valgrind"):
        plan_block(composed("measurement.callgrind=true"))
    plan_block(composed("measurement.callgrind=false"))


def test_on_cuda_it_is_refused(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda command: command)
    with pytest.raises(BadRequest, match="choose device=cpu"):
        plan_block(composed("measurement.callgrind=true", "device=cuda"))
