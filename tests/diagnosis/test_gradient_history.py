"""The history of gradients: the order in which they came, were used, and were cleared."""

import torch

from gradbench.diagnosis.history import Touch, histories
from gradbench.diagnosis.observe.observer import Observer
from gradbench.diagnosis.timeline import Kind


def touches(timeline):
    (moments,) = (each for each in histories(timeline).values() if each)
    return [each.touch for each in moments]


def test_a_step_in_a_hook_of_backward_comes_after_the_arrival():
    with Observer() as observer:
        w = torch.ones(2, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)

        def hook(_):
            optimizer.step()
            optimizer.zero_grad()

        w.register_post_accumulate_grad_hook(hook)
        w.square().sum().backward()
    assert touches(observer.timeline()) == [Touch.arrived, Touch.stepped, Touch.cleared]


def test_clearing_within_ones_own_step_comes_after_the_step():
    class Clearing(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            self.zero_grad()

    with Observer() as observer:
        w = torch.ones(2, requires_grad=True)
        optimizer = Clearing([w], lr=0.1)
        for _ in range(2):
            w.square().sum().backward()
            optimizer.step()
    found = touches(observer.timeline())
    kept = [each for each in found if each in (Touch.arrived, Touch.stepped, Touch.cleared)]
    assert kept == 2 * [Touch.arrived, Touch.stepped, Touch.cleared]


def test_one_gradient_returned_twice_is_said_to_be_shared():
    with Observer() as observer:
        a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        torch.autograd.grad((a + b).square().sum(), [a, b])
        torch.autograd.grad((a * b).sum(), [a, b])
    shared = [event.detail["shared"] for event in observer.timeline().of(Kind.gradient)]
    assert shared[0]
    assert not shared[1]


def test_an_update_rounded_away_is_told_from_one_of_nothing():
    with Observer() as observer, torch.no_grad():
        w = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
        w -= 0.001
        w -= 0.0
        w -= 0.5
    writes = [event.detail for event in observer.timeline().of(Kind.write)]
    assert [bool(each["moved"]) for each in writes] == [False, False, True]
    assert [each.get("nothing") for each in writes] == [False, True, None]
