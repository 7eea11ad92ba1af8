import pytest
import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule, Unavailable
from gradbench.strategies.base import zero_slots
from gradbench.strategies.state import start_state
from tests.conftest import make, options

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("implementation", ["for_loop", "foreach", "fused"])
@pytest.mark.parametrize("shape", [(3,), (2, 3)])
@pytest.mark.parametrize("rule_name", sorted(options("rule")))
def test_state_is_what_torch_optim_would_start(
    rule_name: str, shape: tuple[int, ...], implementation: str, device: str
) -> None:
    """The same tensors, where torch.optim keeps them and in its types, before and after a step."""
    rule: Rule = make("rule", rule_name)
    keywords = {"foreach": False} if implementation == "for_loop" else {implementation: True}
    theirs, ours = (Parameter(torch.ones(shape, device=device)) for _ in range(2))
    theirs.grad, ours.grad = torch.ones_like(theirs), torch.ones_like(ours)
    slots = zero_slots(rule, ours)
    try:
        their_optimizer = rule.optimizer([theirs], **keywords)
        their_optimizer.step()
    except (Unavailable, TypeError, RuntimeError) as reason:
        pytest.skip(str(reason))
    our_optimizer = rule.optimizer([ours], **keywords)
    start_state(our_optimizer, [ours], [slots], count_on_device=implementation == "fused")
    state = our_optimizer.state[ours]
    for name, tensor in slots.items():
        assert state[name] is tensor
    places = {name: (t.device, t.dtype, t.shape) for name, t in state.items()}
    our_optimizer.step()
    for name, expected in their_optimizer.state[theirs].items():
        if expected is None:  # a momentum buffer that SGD does without
            continue
        assert places[name] == (expected.device, expected.dtype, expected.shape)
        assert torch.equal(state[name], expected)
    assert torch.equal(ours, theirs)
