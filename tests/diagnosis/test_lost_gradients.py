"""What checks of lost gradients stand on: cuts, terms of a loss, where gradients are off."""

from collections.abc import Callable

import torch
from torch import nn

from gradbench.diagnosis.causes import Cause, switch_line
from gradbench.diagnosis.exports import proportional
from gradbench.diagnosis.flow import flow_of
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.observe.observer import Observer
from gradbench.diagnosis.terms import constant_terms
from gradbench.diagnosis.timeline import Kind, Timeline


def watched(program: Callable[[], object]) -> Timeline:
    observer = Observer()
    with observer:
        program()
    return observer.timeline()


def train(model: nn.Module, loss: Callable[[], torch.Tensor], steps: int = 4) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()


def test_indices_of_topk_are_a_cut_and_its_values_are_none() -> None:
    body, head = nn.Linear(3, 4), nn.Embedding(4, 1)
    x = torch.randn(5, 3)
    model = nn.ModuleList([body, head])
    timeline = watched(lambda: train(model, lambda: head(body(x).topk(1).indices).mean()))
    (lost,) = lost_leaves(timeline)
    assert lost.cause is Cause.discrete
    assert len(lost.leaves) == 2
    assert lost.cut.event.name == "topk"
    timeline = watched(lambda: train(body, lambda: body(x).topk(1).values.mean()))
    assert not lost_leaves(timeline)


def test_a_decorator_that_switches_gradients_off_is_known_by_its_line() -> None:
    body, head = nn.Linear(3, 3), nn.Linear(3, 1)

    @torch.no_grad()
    def features() -> torch.Tensor:
        return body(torch.ones(1, 3))

    model = nn.ModuleList([body, head])
    timeline = watched(lambda: train(model, lambda: head(features()).mean()))
    (lost,) = lost_leaves(timeline)
    assert lost.cause is Cause.no_grad
    line = features.__wrapped__.__code__.co_firstlineno  # type: ignore[attr-defined]
    assert lost.place.line == line
    switch = next(e for e in timeline.of(Kind.grad_mode) if e.detail["decorated"])
    assert switch_line(switch) == lost.place


def test_what_is_moved_by_hand_or_frozen_is_not_lost() -> None:
    online, target = nn.Linear(3, 1), nn.Linear(3, 1)
    frozen = nn.Linear(3, 3).requires_grad_(False)
    model = nn.ModuleList([online, target, frozen])
    x = torch.randn(4, 3)

    def program() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            with torch.no_grad():
                wanted = target(frozen(x))
            optimizer.zero_grad()
            (online(x) - wanted).square().mean().backward()
            optimizer.step()
            with torch.no_grad():
                for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
                    slow.lerp_(fast, 0.1)

    assert not lost_leaves(watched(program))


def test_constant_terms_of_a_loss_are_told_from_factors() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        loss = w.square().sum()
        constant = loss.detach()
        ((loss / constant + 2 * constant) + 3.0).backward()

    timeline = watched(program)
    (backward,) = timeline.of(Kind.backward)
    terms = constant_terms(timeline, backward)
    assert sorted(term.value for term in terms if term.value is not None) == [3.0]
    assert sum(term.number is not None for term in terms) == 1


def test_a_number_in_the_loss_is_traced_to_the_line_that_exported_it() -> None:
    w = torch.ones(2, requires_grad=True)

    def program(added: bool) -> None:
        optimizer = torch.optim.SGD([w], lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            size = w.square().sum().item()
            loss = (w - 3).square().sum()
            (loss + 0.01 * size if added else loss + 0.01).backward()
            optimizer.step()

    ((_, _, ratio, leaves),) = proportional(watched(lambda: program(True))).values()
    assert abs(ratio - 0.01) < 1e-6
    assert len(leaves) == 1
    assert not proportional(watched(lambda: program(False)))


def test_leaves_behind_any_tensor_are_known() -> None:
    w = torch.ones(2, requires_grad=True)

    def program() -> None:
        hidden = 2 * w
        (hidden.detach() * hidden).sum().backward()

    timeline = watched(program)
    flow = flow_of(timeline)
    detached = next(event for event in timeline.events if event.name == "detach")
    assert not flow.leaves_of(detached.outputs[0])
    assert flow.leaves_of(detached.inputs[0]) == flow.cuts_of(detached.outputs[0])[0].leaves
