"""Modules: parameters that the module does not know of, and so the optimizer neither.

`parameters()` yields what was registered: parameters and modules assigned as attributes. It is a
generator, and it can be used once.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def layers_in_list(device):
    """A list of Python is no module: its layers are not registered."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(1, 1, bias=False, device=device)
            self.body = [nn.Linear(1, 1, bias=False, device=device)]

        def forward(self, x):
            return self.head(self.body[0](x))

    net = Net()
    nn.init.ones_(net.head.weight)
    before = net.body[0].weight.detach().clone()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.ones(1, 1, device=device)).sum().backward()
    optimizer.step()
    return {"got": net.body[0].weight, "right": before - 0.1, "lost": before}


def layers_in_list_fix(device):
    """Use `nn.ModuleList`."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(1, 1, bias=False, device=device)
            self.body = nn.ModuleList([nn.Linear(1, 1, bias=False, device=device)])

        def forward(self, x):
            return self.head(self.body[0](x))

    net = Net()
    nn.init.ones_(net.head.weight)
    before = net.body[0].weight.detach().clone()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.ones(1, 1, device=device)).sum().backward()
    optimizer.step()
    return {"got": net.body[0].weight, "right": before - 0.1, "lost": before}


def layers_in_list_twin(device):
    """A list to build an `nn.Sequential` from is fine: that registers them."""
    layers = [nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)]
    net = nn.Sequential(*layers).to(device)
    nn.init.ones_(layers[1].weight)
    before = layers[0].weight.detach().clone()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.ones(1, 1, device=device)).sum().backward()
    optimizer.step()
    return {"got": layers[0].weight, "right": before - 0.1, "lost": before}


def tensor_as_attribute(device):
    """A tensor is no parameter, even if it requires a gradient and gets one."""
    module = nn.Module()
    module.bias = nn.Parameter(torch.zeros(1, device=device))
    module.scale = torch.ones(1, device=device, requires_grad=True)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    (module.scale + module.bias).sum().backward()
    optimizer.step()
    return {"got": module.scale, "right": torch.full((1,), 0.9), "lost": torch.ones(1)}


def tensor_as_attribute_fix(device):
    """Make it an `nn.Parameter`."""
    module = nn.Module()
    module.bias = nn.Parameter(torch.zeros(1, device=device))
    module.scale = nn.Parameter(torch.ones(1, device=device))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    (module.scale + module.bias).sum().backward()
    optimizer.step()
    return {"got": module.scale, "right": torch.full((1,), 0.9), "lost": torch.ones(1)}


def tensor_as_attribute_twin(device):
    """An optimizer takes plain tensors as well, if it is given them."""
    scale = torch.ones(1, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([scale], lr=0.1)
    scale.sum().backward()
    optimizer.step()
    return {"got": scale, "right": torch.full((1,), 0.9), "lost": torch.ones(1)}


def generator_used_up(device):
    """The optimizer has run through the generator; for clipping nothing is left."""
    model = nn.Linear(2, 1, bias=False, device=device)
    parameters = model.parameters()
    torch.optim.SGD(parameters, lr=0.1)
    (3 * model(torch.ones(1, 2, device=device))).sum().backward()
    nn.utils.clip_grad_norm_(parameters, 1)
    return {
        "got": model.weight.grad,
        "right": torch.full((1, 2), 0.5**0.5),
        "lost": torch.full((1, 2), 3.0),
    }


def generator_used_up_fix(device):
    """Keep a list."""
    model = nn.Linear(2, 1, bias=False, device=device)
    parameters = list(model.parameters())
    torch.optim.SGD(parameters, lr=0.1)
    (3 * model(torch.ones(1, 2, device=device))).sum().backward()
    nn.utils.clip_grad_norm_(parameters, 1)
    return {
        "got": model.weight.grad,
        "right": torch.full((1, 2), 0.5**0.5),
        "lost": torch.full((1, 2), 3.0),
    }


def generator_used_up_twin(device):
    """Each call of `parameters()` makes a new generator."""
    model = nn.Linear(2, 1, bias=False, device=device)
    torch.optim.SGD(model.parameters(), lr=0.1)
    (3 * model(torch.ones(1, 2, device=device))).sum().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1)
    return {
        "got": model.weight.grad,
        "right": torch.full((1, 2), 0.5**0.5),
        "lost": torch.full((1, 2), 3.0),
    }


def parameter_made_in_forward(device):
    """`nn.Parameter` makes a new leaf: the gradient arrives there and goes no further."""
    w = torch.ones(1, 2, device=device, requires_grad=True)
    x = torch.ones(1, 2, device=device)
    nn.functional.linear(x, nn.Parameter(3 * w)).sum().backward()
    return {"got": w.grad, "right": torch.full((1, 2), 3.0)}


def parameter_made_in_forward_fix(device):
    """Functions take any tensor as a weight."""
    w = torch.ones(1, 2, device=device, requires_grad=True)
    x = torch.ones(1, 2, device=device)
    nn.functional.linear(x, 3 * w).sum().backward()
    return {"got": w.grad, "right": torch.full((1, 2), 3.0)}


def parameter_made_in_forward_twin(device):
    """Made once, from a value, a parameter is where the gradient is wanted."""
    w = nn.Parameter(3 * torch.ones(1, 2, device=device, requires_grad=True))
    x = torch.ones(1, 2, device=device)
    nn.functional.linear(x, w).sum().backward()
    return {"got": w.grad, "right": torch.ones(1, 2)}


def zeroed_by_one_optimizer(device):
    """An optimizer zeroes its own parameters; the body's gradients add up."""
    body, head = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    model = nn.Sequential(body, head).to(device)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.0)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.ones(1, 1, device=device)).sum().backward()
    return {"got": body.weight.grad, "right": head.weight}


def zeroed_by_one_optimizer_fix(device):
    """Zero the whole model."""
    body, head = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    model = nn.Sequential(body, head).to(device)
    torch.optim.SGD(head.parameters(), lr=0.0)
    for _ in range(2):
        model.zero_grad()
        model(torch.ones(1, 1, device=device)).sum().backward()
    return {"got": body.weight.grad, "right": head.weight}


def zeroed_by_one_optimizer_twin(device):
    """A body that requires no gradients gets none to add up."""
    body, head = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    model = nn.Sequential(body.requires_grad_(False), head).to(device)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.0)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.ones(1, 1, device=device)).sum().backward()
    return {"got": head.weight.grad, "right": body.weight}


def unused_parameter(device):
    """What took no part in the loss gets no gradient, rather than a zero one."""
    model = nn.ModuleList([nn.Linear(2, 1, device=device), nn.Linear(2, 1, device=device)])
    model[0](torch.ones(1, 2, device=device)).sum().backward()
    return {"got": model[1].weight.grad, "right": torch.zeros(1, 2)}


def unused_parameter_fix(device):
    """Take None for zero where one reads it."""
    model = nn.ModuleList([nn.Linear(2, 1, device=device), nn.Linear(2, 1, device=device)])
    model[0](torch.ones(1, 2, device=device)).sum().backward()
    weight = model[1].weight
    gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
    return {"got": gradient, "right": torch.zeros(1, 2)}


def unused_parameter_twin(device):
    """Multiplied by zero, a parameter takes part and gets zeros."""
    model = nn.ModuleList([nn.Linear(2, 1, device=device), nn.Linear(2, 1, device=device)])
    x = torch.ones(1, 2, device=device)
    (model[0](x) + 0 * model[1](x)).sum().backward()
    return {"got": model[1].weight.grad, "right": torch.zeros(1, 2)}


MODES = (
    FailureMode(
        title="Layers in a list of Python",
        broken=layers_in_list,
        fix=layers_in_list_fix,
        twin=layers_in_list_twin,
        state=State.lost,
        source="docs: torch.nn.ModuleList",
        documented=True,
    ),
    FailureMode(
        title="A tensor that requires gradients as an attribute",
        broken=tensor_as_attribute,
        fix=tensor_as_attribute_fix,
        twin=tensor_as_attribute_twin,
        state=State.lost,
        source="docs: torch.nn.parameter.Parameter",
        documented=True,
    ),
    FailureMode(
        title="`model.parameters()` kept and used twice",
        broken=generator_used_up,
        fix=generator_used_up_fix,
        twin=generator_used_up_twin,
        state=State.lost,
        says="`parameters` is an empty generator",
    ),
    FailureMode(
        title="`nn.Parameter(…)` in the forward pass",
        broken=parameter_made_in_forward,
        fix=parameter_made_in_forward_fix,
        twin=parameter_made_in_forward_twin,
        state=State.none,
    ),
    FailureMode(
        title="`optimizer.zero_grad()` of an optimizer with part of the model",
        broken=zeroed_by_one_optimizer,
        fix=zeroed_by_one_optimizer_fix,
        twin=zeroed_by_one_optimizer_twin,
        state=State.doubled,
        source="docs: torch.optim.Optimizer.zero_grad",
        documented=True,
    ),
    FailureMode(
        title="A parameter that takes no part in the loss",
        broken=unused_parameter,
        fix=unused_parameter_fix,
        twin=unused_parameter_twin,
        state=State.none,
        source="pt#68862",
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
