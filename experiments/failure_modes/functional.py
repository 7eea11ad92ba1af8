"""Functional calls and compiled functions: parameters handed over, and derivatives handed back.

What is handed over is differentiated: a detached copy gets no gradient, a stacked copy gets its
own. And a compiled function has one backward, made beforehand.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def called_with_state_dict(device):
    """The tensors of a state dict are detached from the parameters."""
    model = nn.Linear(2, 1, bias=False, device=device)
    scale = torch.ones(1, device=device, requires_grad=True)
    x = torch.ones(1, 2, device=device)
    y = torch.func.functional_call(model, model.state_dict(), (x,))
    (scale * y).sum().backward()
    return {"got": model.weight.grad, "right": x}


def called_with_state_dict_fix(device):
    """Hand over the parameters."""
    model = nn.Linear(2, 1, bias=False, device=device)
    scale = torch.ones(1, device=device, requires_grad=True)
    x = torch.ones(1, 2, device=device)
    y = torch.func.functional_call(model, dict(model.named_parameters()), (x,))
    (scale * y).sum().backward()
    return {"got": model.weight.grad, "right": x}


def called_with_state_dict_twin(device):
    """With `keep_vars=True` a state dict holds the parameters themselves."""
    model = nn.Linear(2, 1, bias=False, device=device)
    scale = torch.ones(1, device=device, requires_grad=True)
    x = torch.ones(1, 2, device=device)
    y = torch.func.functional_call(model, model.state_dict(keep_vars=True), (x,))
    (scale * y).sum().backward()
    return {"got": model.weight.grad, "right": x}


def optimizer_of_state_dict(device):
    """The optimizer waits for gradients of detached tensors, which never come."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    optimizer = torch.optim.SGD(model.state_dict().values(), lr=0.1)
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def optimizer_of_state_dict_fix(device):
    """Give it `parameters()`."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def optimizer_of_state_dict_twin(device):
    """Written in place, the tensors of a state dict do change the model: they share its memory."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    model.state_dict()["weight"].sub_(model.weight.grad, alpha=0.1)
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def stacked_models(device):
    """The stacked parameters are new leaves: gradients arrive there, not at the models."""
    models = [nn.Linear(1, 1, bias=False, device=device) for _ in range(2)]
    parameters, _ = torch.func.stack_module_state(models)

    def forward(parameters, x):
        return torch.func.functional_call(models[0], parameters, (x,))

    torch.vmap(forward, (0, None))(parameters, torch.ones(1, 1, device=device)).sum().backward()
    return {"got": models[0].weight.grad, "right": torch.ones(1, 1)}


def stacked_models_fix(device):
    """Train the stacked parameters: give those to the optimizer, and read their gradients."""
    models = [nn.Linear(1, 1, bias=False, device=device) for _ in range(2)]
    parameters, _ = torch.func.stack_module_state(models)

    def forward(parameters, x):
        return torch.func.functional_call(models[0], parameters, (x,))

    torch.vmap(forward, (0, None))(parameters, torch.ones(1, 1, device=device)).sum().backward()
    return {"got": parameters["weight"].grad[0], "right": torch.ones(1, 1)}


def stacked_models_twin(device):
    """Stacked by `torch.stack`, the parameters keep their history and get the gradients."""
    models = [nn.Linear(1, 1, bias=False, device=device) for _ in range(2)]
    parameters = {"weight": torch.stack([model.weight for model in models])}

    def forward(parameters, x):
        return torch.func.functional_call(models[0], parameters, (x,))

    torch.vmap(forward, (0, None))(parameters, torch.ones(1, 1, device=device)).sum().backward()
    return {"got": models[0].weight.grad, "right": torch.ones(1, 1)}


def functional_gradient_not_stored(device):
    """`torch.func.grad` returns the gradient; `.grad` and so the step know nothing of it."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    torch.func.grad(lambda w: w.square().sum())(w)
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.8), "lost": torch.ones(2)}


def functional_gradient_not_stored_fix(device):
    """Store it; it has a history of its own, which the parameter does not need."""
    w = torch.ones(2, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    w.grad = torch.func.grad(lambda w: w.square().sum())(w).detach()
    optimizer.step()
    return {"got": w, "right": torch.full((2,), 0.8), "lost": torch.ones(2)}


def functional_gradient_not_stored_twin(device):
    """Backward through what `torch.func.grad` returns fills `.grad`, with the second derivative."""
    w = torch.ones(2, device=device, requires_grad=True)
    torch.func.grad(lambda w: w.pow(3).sum())(w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 6.0)}


def compiled_second_derivative(device):
    """The backward of a compiled function is compiled as well, and has no derivative."""
    cube = torch.compile(lambda w: w.pow(3).sum(), backend="aot_eager")
    w = torch.full((2,), 2.0, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(cube(w), w, create_graph=True)
    g.sum().backward()


def compiled_second_derivative_fix(device):
    """Leave what is differentiated twice uncompiled."""
    w = torch.full((2,), 2.0, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(w.pow(3).sum(), w, create_graph=True)
    g.sum().backward()
    return {"got": w.grad, "right": 6 * w}


def compiled_second_derivative_twin(device):
    """The first derivative of a compiled function is as ever."""
    cube = torch.compile(lambda w: w.pow(3).sum(), backend="aot_eager")
    w = torch.full((2,), 2.0, device=device, requires_grad=True)
    cube(w).backward()
    return {"got": w.grad, "right": 3 * w.square()}


def missing_compiler(device):
    """Say why this Python and torch cannot compile."""
    try:
        torch.compile(torch.square, backend="aot_eager")
    except RuntimeError as error:
        return str(error)
    return None


MODES = (
    FailureMode(
        title="`functional_call(model, model.state_dict(), …)`",
        broken=called_with_state_dict,
        fix=called_with_state_dict_fix,
        twin=called_with_state_dict_twin,
        state=State.none,
        source="docs: torch.nn.Module.state_dict",
        documented=True,
    ),
    FailureMode(
        title="`SGD(model.state_dict().values())`",
        broken=optimizer_of_state_dict,
        fix=optimizer_of_state_dict_fix,
        twin=optimizer_of_state_dict_twin,
        state=State.lost,
    ),
    FailureMode(
        title="`stack_module_state`, and the gradients of the models",
        broken=stacked_models,
        fix=stacked_models_fix,
        twin=stacked_models_twin,
        state=State.none,
    ),
    FailureMode(
        title="`torch.func.grad(…)`, then `optimizer.step()`",
        broken=functional_gradient_not_stored,
        fix=functional_gradient_not_stored_fix,
        twin=functional_gradient_not_stored_twin,
        state=State.lost,
        source="docs: torch.func.grad",
    ),
    FailureMode(
        title="A second derivative through `torch.compile`",
        broken=compiled_second_derivative,
        fix=compiled_second_derivative_fix,
        twin=compiled_second_derivative_twin,
        state=State.error,
        says="does not currently support double backward",
        missing=missing_compiler,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
