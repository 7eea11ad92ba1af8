"""A CUDA graph, played on the CPU: its replay writes and calls no function of PyTorch."""

from typing import Any

import pytest
import torch
from torch.nn import Parameter

from gradbench.observing.observation import Verdict
from gradbench.observing.updates import Update, try_out
from gradbench.strategies.base import Binding
from tests.experiments.loading import load_experiment

CPU = torch.device("cpu")
placement = load_experiment("placement.py")


class Graph:
    """Writes a weight where no version counter sees it."""

    def __init__(self, weight: Parameter) -> None:
        self.weight = weight


def replay(graph: Any) -> None:
    with torch.autograd._unsafe_preserve_version_counter(graph.weight), torch.no_grad():
        graph.weight.sub_(graph.weight.grad)


def bind(weight: Parameter) -> Binding:
    with torch.no_grad():
        weight.mul_(1)  # as capturing does: the counter moves, the weight does not
    graph: Any = Graph(weight)
    return Binding(lambda: torch.cuda.CUDAGraph.replay(graph))


@pytest.fixture(autouse=True)
def graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", replay)


def test_a_replay_is_a_write_that_autograd_is_documented_not_to_see() -> None:
    trait = try_out(Update("graph", bind), torch.ones(2))
    assert (trait.refusal, trait.untracked, trait.replays) == (None, True, True)
    assert torch.cuda.CUDAGraph.replay is replay


def test_another_update_replays_nothing() -> None:
    def plain(weight: Parameter) -> Binding:
        return Binding(lambda: replay(Graph(weight)))

    trait = try_out(Update("plain", plain), torch.ones(2))
    assert (trait.refusal, trait.untracked, trait.replays) == (None, False, False)


def test_what_binding_writes_is_no_part_of_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [one for one in placement.OPERATIONS if one.name == "x * w"]
    monkeypatch.setattr(placement, "OPERATIONS", kept)
    monkeypatch.setattr(placement, "BACKENDS", {})
    monkeypatch.setattr(placement, "strategy_updates", lambda *_: [Update("graph", bind)])
    monkeypatch.setattr(placement, "optimizer_updates", lambda *_: [])
    seen = {o.case: o for o in placement.observe(CPU)}
    between = seen["graph / between / x * w / input requires grad / eager"]
    assert (between.outcome, between.verdict) == ("wrong", Verdict.as_documented)
    assert between.source == placement.REPLAYED
    assert between.version_delta == 0
    assert "bumped no version counter" in between.message
    usual = seen["graph / after_backward / x * w / input requires grad / eager"]
    assert (usual.outcome, usual.verdict, usual.version_delta) == (
        "old",
        Verdict.as_documented,
        0,
    )
