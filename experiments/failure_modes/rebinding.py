"""Rebinding: the name moves to another tensor, and the parameter stays where it was.

A parameter is an object. Autograd fills the ``.grad`` of that object, the optimizer and the module
hold that object, and an assignment in Python only makes a name point to another one.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def rebind_with_grad(device):
    """`w - 0.1 * w.grad` is a result with a history, and w now names it: no leaf, no `.grad`."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    w = w - 0.1 * w.grad
    w.square().sum().backward()
    return {"got": w.grad, "right": 2 * w}


def rebind_with_grad_fix(device):
    """Write into the leaf, and do not record that."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
    w.square().sum().backward()
    return {"got": w.grad, "right": 2 * w}


def rebind_with_grad_twin(device):
    """The same line is right where one differentiates through the step, as in meta-learning."""
    w = torch.ones(2, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(w.square().sum(), w, create_graph=True)
    fast = w - 0.1 * g
    fast.square().sum().backward()
    return {"got": w.grad, "right": 2 * 0.8**2 * w}


def rebind_under_no_grad(device):
    """Under no_grad the result has no history and requires no gradient, and w now names it."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.no_grad():
        w = w - 0.1 * w.grad
    w.square().sum().backward()
    return {"got": w.grad, "right": 2 * w}


def rebind_under_no_grad_fix(device):
    """`w -=` calls `w.sub_`, which writes into the leaf; `w = w -` does not."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
    w.square().sum().backward()
    return {"got": w.grad, "right": 2 * w}


def rebind_under_no_grad_twin(device):
    """A new leaf does as well, where no module and no optimizer holds the old one."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.no_grad():
        w = (w - 0.1 * w.grad).requires_grad_()
    w.square().sum().backward()
    return {"got": w.grad, "right": 2 * w}


def rebind_loop_variable(device):
    """The loop's name p is bound to a new tensor each time; the model is never written."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    with torch.no_grad():
        for p in model.parameters():
            p = p - 0.1 * p.grad
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def rebind_loop_variable_fix(device):
    """Call an in-place method of the parameter."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    with torch.no_grad():
        for p in model.parameters():
            p.sub_(p.grad, alpha=0.1)
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def rebind_loop_variable_twin(device):
    """`p -= …` also assigns to the loop's name, but what it assigns is the same parameter."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.1 * p.grad
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def tensor_assigned_to_module(device):
    """A registered name takes only an `nn.Parameter` or None."""
    model = nn.Linear(2, 1, bias=False, device=device)
    model(torch.ones(1, 2, device=device)).sum().backward()
    model.weight = model.weight - 0.1 * model.weight.grad


def tensor_assigned_to_module_fix(device):
    """Copy into the parameter that is there."""
    model = nn.Linear(2, 1, bias=False, device=device)
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    with torch.no_grad():
        model.weight.copy_(model.weight - 0.1 * model.weight.grad)
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def tensor_assigned_to_module_twin(device):
    """`functional_call` runs a module with tensors in the place of its parameters."""
    model = nn.Linear(2, 1, bias=False, device=device)
    x = torch.ones(1, 2, device=device)
    fast = {"weight": 3 * model.weight}
    torch.func.functional_call(model, fast, (x,)).sum().backward()
    return {"got": model.weight.grad, "right": 3 * x}


def parameter_replaced(device):
    """The optimizer holds the old parameter and goes on stepping that one."""
    model = nn.Linear(2, 1, bias=False, device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.weight = nn.Parameter(torch.zeros(1, 2, device=device))
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def parameter_replaced_fix(device):
    """Change the values, not the parameter."""
    model = nn.Linear(2, 1, bias=False, device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    nn.init.zeros_(model.weight)
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def parameter_replaced_twin(device):
    """Before the optimizer is built, a module's parameters may be replaced at will."""
    model = nn.Linear(2, 1, bias=False, device=device)
    model.weight = nn.Parameter(torch.zeros(1, 2, device=device))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.weight.detach().clone()
    model(torch.ones(1, 2, device=device)).sum().backward()
    optimizer.step()
    return {"got": model.weight, "right": before - 0.1, "lost": before}


def scaled_initial_value(device):
    """The leaf is the tensor of ones, which nobody kept; w is the product."""
    w = torch.ones(2, device=device, requires_grad=True) * 0.01
    w.sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def scaled_initial_value_fix(device):
    """Ask for gradients last."""
    w = (torch.ones(2, device=device) * 0.01).requires_grad_()
    w.sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def scaled_initial_value_twin(device):
    """`.to()` returns the tensor itself where there is nothing to convert: still the leaf."""
    w = torch.ones(2, device=device, requires_grad=True).to(device, torch.float32)
    w.sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


MODES = (
    FailureMode(
        title="`w = w - lr * w.grad` in grad mode",
        broken=rebind_with_grad,
        fix=rebind_with_grad_fix,
        twin=rebind_with_grad_twin,
        state=State.none,
        says="not a leaf Tensor is being accessed",
        source="pt#30531",
    ),
    FailureMode(
        title="`w = w - lr * w.grad` under `no_grad`",
        broken=rebind_under_no_grad,
        fix=rebind_under_no_grad_fix,
        twin=rebind_under_no_grad_twin,
        state=State.error,
        says="element 0 of tensors does not require grad",
        source="pt#74158",
    ),
    FailureMode(
        title="`for p in parameters: p = p - lr * p.grad`",
        broken=rebind_loop_variable,
        fix=rebind_loop_variable_fix,
        twin=rebind_loop_variable_twin,
        state=State.lost,
        source="Python reference: Naming and binding",
    ),
    FailureMode(
        title="`model.weight = model.weight - …`",
        broken=tensor_assigned_to_module,
        fix=tensor_assigned_to_module_fix,
        twin=tensor_assigned_to_module_twin,
        state=State.error,
        says="cannot assign 'torch",
        source="torch.nn.Module.__setattr__",
    ),
    FailureMode(
        title="`model.weight = nn.Parameter(…)` after the optimizer was built",
        broken=parameter_replaced,
        fix=parameter_replaced_fix,
        twin=parameter_replaced_twin,
        state=State.lost,
        source="pt#14467",
    ),
    FailureMode(
        title="`torch.ones(…, requires_grad=True) * 0.01` as a parameter",
        broken=scaled_initial_value,
        fix=scaled_initial_value_fix,
        twin=scaled_initial_value_twin,
        state=State.none,
        says="not a leaf Tensor is being accessed",
        source="docs: torch.Tensor.is_leaf",
        documented=True,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
