"""Grad mode: code that runs where nothing is recorded, or where what is made cannot be used.

Grad mode is a switch of the current thread. Whatever turns it off and is not finished yet (a block,
a call, a suspended generator) turns it off for all that runs meanwhile.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def forward_under_no_grad(device):
    """Nothing of the forward pass is recorded."""
    w = torch.ones(2, device=device, requires_grad=True)
    with torch.no_grad():
        loss = w.square().sum()
    loss.backward()


def forward_under_no_grad_fix(device):
    """Only the update belongs under no_grad."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def forward_under_no_grad_twin(device):
    """Backward itself may run under no_grad: what is recorded is recorded."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    with torch.no_grad():
        loss.backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def grad_left_disabled(device):
    """Called as a function the switch stays as it is set, here by an evaluation long over."""

    def evaluate(w):
        torch.set_grad_enabled(False)
        return w.square().sum()

    w = torch.ones(2, device=device, requires_grad=True)
    evaluate(w)
    w.square().sum().backward()


def grad_left_disabled_fix(device):
    """As a block it ends."""

    def evaluate(w):
        with torch.set_grad_enabled(False):
            return w.square().sum()

    w = torch.ones(2, device=device, requires_grad=True)
    evaluate(w)
    w.square().sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def grad_left_disabled_twin(device):
    """`model.eval()` also stays, but it is no switch of autograd: gradients flow."""
    model = nn.Linear(2, 1, bias=False, device=device).eval()
    x = torch.ones(1, 2, device=device)
    model(x).sum().backward()
    return {"got": model.weight.grad, "right": x}


def no_grad_in_generator(device):
    """While a generator is suspended inside its `with`, the loop that consumes it is inside too."""

    def batches():
        with torch.no_grad():
            for _ in range(2):
                yield torch.ones(2, device=device)

    w = torch.ones(2, device=device, requires_grad=True)
    for x in batches():
        (w * x).sum().backward()


def no_grad_in_generator_fix(device):
    """As a decorator no_grad is left at each yield."""

    @torch.no_grad()
    def batches():
        for _ in range(2):
            yield torch.ones(2, device=device)

    w = torch.ones(2, device=device, requires_grad=True)
    for x in batches():
        (w * x).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def no_grad_in_generator_twin(device):
    """A generator that yields after its block is as good."""

    def batches():
        for _ in range(2):
            with torch.no_grad():
                x = torch.ones(2, device=device)
            yield x

    w = torch.ones(2, device=device, requires_grad=True)
    for x in batches():
        (w * x).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def no_grad_in_thread(device):
    """Grad mode belongs to a thread; a new one starts with gradients on."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.no_grad(), ThreadPoolExecutor(1) as pool:
        pool.submit(w.sub_, 0.1 * w.grad).result()


def no_grad_in_thread_fix(device):
    """Say so inside the thread."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(torch.no_grad()(w.sub_), 0.1 * w.grad).result()
    return {"got": w, "right": torch.full((2,), 0.8)}


def no_grad_in_thread_twin(device):
    """A backward started in another thread needs nothing."""
    w = torch.ones(2, device=device, requires_grad=True)
    loss = w.square().sum()
    with torch.no_grad(), ThreadPoolExecutor(1) as pool:
        pool.submit(loss.backward).result()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def inference_tensor_saved(device):
    """What is made in inference mode has no version counter, so autograd will not save it."""
    w = torch.ones(2, device=device, requires_grad=True)
    with torch.inference_mode():
        features = torch.full((2,), 3.0, device=device)
    (w * features).sum().backward()


def inference_tensor_saved_fix(device):
    """Use no_grad where the result goes into training."""
    w = torch.ones(2, device=device, requires_grad=True)
    with torch.no_grad():
        features = torch.full((2,), 3.0, device=device)
    (w * features).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def inference_tensor_saved_twin(device):
    """An operation that saves nothing takes an inference tensor."""
    w = torch.ones(2, device=device, requires_grad=True)
    with torch.inference_mode():
        features = torch.full((2,), 3.0, device=device)
    (w + features).sum().backward()
    return {"got": w.grad, "right": torch.ones(2)}


def inference_parameter(device):
    """Autograd tracks no view of an inference tensor, and `linear` transposes its weight."""
    with torch.inference_mode():
        model = nn.Linear(2, 1, device=device)
    x = torch.ones(1, 2, device=device)
    model(x).sum().backward()
    return {"got": model.weight.grad, "right": x}


def inference_parameter_fix(device):
    """Make models outside inference mode."""
    model = nn.Linear(2, 1, device=device)
    x = torch.ones(1, 2, device=device)
    model(x).sum().backward()
    return {"got": model.weight.grad, "right": x}


def inference_parameter_twin(device):
    """An ordinary parameter may be written in inference mode, and is the same afterwards."""
    w = torch.ones(2, device=device, requires_grad=True)
    w.square().sum().backward()
    with torch.inference_mode():
        w -= 0.1 * w.grad
    w.grad = None
    w.square().sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 1.6)}


MODES = (
    FailureMode(
        title="The forward pass under `no_grad`",
        broken=forward_under_no_grad,
        fix=forward_under_no_grad_fix,
        twin=forward_under_no_grad_twin,
        state=State.error,
        says="element 0 of tensors does not require grad",
        source="docs: notes/autograd, No-grad Mode",
        documented=True,
    ),
    FailureMode(
        title="`torch.set_grad_enabled(False)` called and never undone",
        broken=grad_left_disabled,
        fix=grad_left_disabled_fix,
        twin=grad_left_disabled_twin,
        state=State.error,
        says="element 0 of tensors does not require grad",
        source="docs: torch.set_grad_enabled",
        documented=True,
    ),
    FailureMode(
        title="A generator that yields inside `with torch.no_grad()`",
        broken=no_grad_in_generator,
        fix=no_grad_in_generator_fix,
        twin=no_grad_in_generator_twin,
        state=State.error,
        says="element 0 of tensors does not require grad",
        source="pt#49017",
    ),
    FailureMode(
        title="An update in another thread than the `no_grad`",
        broken=no_grad_in_thread,
        fix=no_grad_in_thread_fix,
        twin=no_grad_in_thread_twin,
        state=State.error,
        says="a leaf Variable that requires grad is being used in an in-place operation",
        source="docs: torch.no_grad",
        documented=True,
    ),
    FailureMode(
        title="A tensor made in inference mode used in training",
        broken=inference_tensor_saved,
        fix=inference_tensor_saved_fix,
        twin=inference_tensor_saved_twin,
        state=State.error,
        says="Inference tensors cannot be saved for backward",
        source="docs: notes/autograd, Inference Mode",
        documented=True,
    ),
    FailureMode(
        title="A parameter made in inference mode",
        broken=inference_parameter,
        fix=inference_parameter_fix,
        twin=inference_parameter_twin,
        state=State.none,
        source="docs: notes/autograd, Inference Mode",
        documented=True,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
