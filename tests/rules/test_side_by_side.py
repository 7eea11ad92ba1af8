import torch
from torch.nn import Parameter

from gradbench.rules.side_by_side import SideBySide


def started() -> tuple[Parameter, Parameter, SideBySide]:
    a, b = Parameter(torch.ones(3)), Parameter(torch.ones(3))
    parts = [torch.optim.SGD([a], lr=0.5, momentum=0.9), torch.optim.Adam([b], lr=0.25)]
    return a, b, SideBySide(parts)


def test_each_part_updates_its_own() -> None:
    a, b, optimizer = started()
    a.grad, b.grad = torch.ones(3), torch.ones(3)
    optimizer.step()
    torch.testing.assert_close(a.detach(), torch.full((3,), 0.5))
    torch.testing.assert_close(b.detach(), torch.full((3,), 0.75))
    assert set(optimizer.state[a]) == {"momentum_buffer"}
    assert set(optimizer.state[b]) == {"step", "exp_avg", "exp_avg_sq"}
    optimizer.zero_grad()
    assert a.grad is None
    assert b.grad is None


def test_a_learning_rate_and_a_state_that_are_set_reach_their_part() -> None:
    a, _, optimizer = started()
    a.grad = torch.ones(3)
    optimizer.param_groups[0]["lr"] = 0.125
    optimizer.state[a]["momentum_buffer"] = torch.ones(3)
    optimizer.step()
    torch.testing.assert_close(a.detach(), torch.full((3,), 1 - 0.125 * 1.9))


def test_a_closure_is_called_once() -> None:
    a, b, optimizer = started()
    calls = []

    def closure() -> float:
        calls.append(1)
        (a.sum() + b.sum()).backward()
        return 7.0

    with torch.no_grad():
        assert optimizer.step(closure) == 7.0
    assert len(calls) == 1
    assert not bool((a == 1).any() | (b == 1).any())
