"""Dtypes and scaling: gradients and updates too small or too large for the numbers that hold them.

float16 ends at 6e-8, bfloat16 has three significant digits. A `GradScaler` moves gradients into
range by a factor, which is still in them until `unscale_` or `step`.
"""

from collections.abc import Iterator

import torch
from torch import nn

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def half_underflow(device):
    """2⁻²⁸ is below the smallest float16 number, 2⁻²⁴, and becomes zero."""
    w = torch.ones(2, device=device, dtype=torch.float16, requires_grad=True)
    (w * 2**-14 * 2**-14).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 2**-28)}


def half_underflow_fix(device):
    """Scale the loss up, and the gradient down in float32."""
    w = torch.ones(2, device=device, dtype=torch.float16, requires_grad=True)
    scale = 2.0**15
    ((w * 2**-14 * 2**-14).float() * scale).sum().backward()
    return {"got": w.grad.float() / scale, "right": torch.full((2,), 2**-28)}


def half_underflow_twin(device):
    """bfloat16 has the range of float32 and needs no scaling."""
    w = torch.ones(2, device=device, dtype=torch.bfloat16, requires_grad=True)
    (w * 2**-14 * 2**-14).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 2**-28)}


def update_rounded_away(device):
    """Next to 1 the numbers of bfloat16 are 0.004 apart: a smaller step rounds to none."""
    w = torch.ones(2, device=device, dtype=torch.bfloat16, requires_grad=True)
    with torch.no_grad():
        for _ in range(200):
            w -= 0.001
    return {"got": w, "right": torch.full((2,), 0.8), "lost": torch.ones(2)}


def update_rounded_away_fix(device):
    """Step a float32 copy, and round that."""
    w = torch.ones(2, device=device, dtype=torch.bfloat16, requires_grad=True)
    master = w.detach().float()
    with torch.no_grad():
        for _ in range(200):
            master -= 0.001
            w.copy_(master)
    return {"got": w, "right": torch.full((2,), 0.8), "lost": torch.ones(2)}


def update_rounded_away_twin(device):
    """One step of the same length as all of them is not lost."""
    w = torch.ones(2, device=device, dtype=torch.bfloat16, requires_grad=True)
    with torch.no_grad():
        w -= 0.2
    return {"got": w, "right": torch.full((2,), 0.8), "lost": torch.ones(2)}


def sum_stagnates(device):
    """From 256 on, the next bfloat16 number is 2 away: adding 1 changes nothing."""
    w = torch.ones(2, device=device, dtype=torch.bfloat16, requires_grad=True)
    for _ in range(512):
        w.sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 512.0)}


def sum_stagnates_fix(device):
    """Add the gradients of micro-batches up in float32."""
    w = torch.ones(2, device=device, dtype=torch.bfloat16, requires_grad=True)
    total = torch.zeros(2, device=device)
    for _ in range(512):
        w.sum().backward()
        total += w.grad
        w.grad = None
    return {"got": total, "right": torch.full((2,), 512.0)}


def sum_stagnates_twin(device):
    """A few micro-batches add up in bfloat16, too."""
    w = torch.ones(2, device=device, dtype=torch.bfloat16, requires_grad=True)
    for _ in range(8):
        w.sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 8.0)}


def clipped_while_scaled(device):
    """The norm is 1024 times too large, so that what is clipped is nearly nothing once unscaled."""
    w = torch.ones(1, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((3 * w).sum()).backward()
    nn.utils.clip_grad_norm_([w], 1.0)
    scaler.step(optimizer)
    return {"got": w.grad, "right": torch.ones(1)}


def clipped_while_scaled_fix(device):
    """Unscale before clipping; the step then knows that it was done."""
    w = torch.ones(1, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((3 * w).sum()).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_([w], 1.0)
    scaler.step(optimizer)
    return {"got": w.grad, "right": torch.ones(1)}


def clipped_while_scaled_twin(device):
    """Normalising to length one is the same for every scale, if it is the last thing done."""
    w = torch.ones(1, device=device, requires_grad=True)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((3 * w).sum()).backward()
    w.grad /= w.grad.norm()
    return {"got": w.grad, "right": torch.ones(1)}


def read_while_scaled(device):
    """Until unscale_ or step the scale is in the gradient."""
    w = torch.ones(1, device=device, requires_grad=True)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((3 * w).sum()).backward()
    return {"got": w.grad, "right": torch.full((1,), 3.0)}


def read_while_scaled_fix(device):
    """Unscale, then read."""
    w = torch.ones(1, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((3 * w).sum()).backward()
    scaler.unscale_(optimizer)
    return {"got": w.grad, "right": torch.full((1,), 3.0)}


def read_while_scaled_twin(device):
    """After the step the gradient is unscaled in place."""
    w = torch.ones(1, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((3 * w).sum()).backward()
    scaler.step(optimizer)
    return {"got": w.grad, "right": torch.full((1,), 3.0)}


def step_skipped_for_inf(device):
    """In float16, 1024 · 1000 is infinite: the scaler skips the step and halves the scale."""
    w = torch.ones(1, device=device, dtype=torch.float16).float().requires_grad_()
    optimizer = torch.optim.SGD([w], lr=0.001)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((500 * w.half()).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    return {"got": w, "right": torch.full((1,), 0.5), "lost": torch.ones(1)}


def step_skipped_for_inf_fix(device):
    """Run the batch again: a skipped step shows in the scale, which has shrunk."""
    w = torch.ones(1, device=device, dtype=torch.float16).float().requires_grad_()
    optimizer = torch.optim.SGD([w], lr=0.001)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    skipped = True
    while skipped:
        optimizer.zero_grad()
        scaler.scale((500 * w.half()).sum()).backward()
        scale = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        skipped = scaler.get_scale() < scale
    return {"got": w, "right": torch.full((1,), 0.5), "lost": torch.ones(1)}


def step_skipped_for_inf_twin(device):
    """A gradient that fits takes its step at once."""
    w = torch.ones(1, device=device, dtype=torch.float16).float().requires_grad_()
    optimizer = torch.optim.SGD([w], lr=0.1)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((5 * w.half()).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    return {"got": w, "right": torch.full((1,), 0.5), "lost": torch.ones(1)}


def integer_parameter(device):
    """A gradient is a real number; integers have none."""
    torch.tensor([1, 2], device=device, requires_grad=True)


def integer_parameter_fix(device):
    """Write the values as floats."""
    w = torch.tensor([1.0, 2.0], device=device, requires_grad=True)
    (3 * w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def integer_parameter_twin(device):
    """As an index an integer is fine: the gradient goes to what it selects."""
    w = torch.ones(2, device=device, requires_grad=True)
    (3 * w[torch.tensor([1], device=device)]).sum().backward()
    return {"got": w.grad, "right": torch.tensor([0.0, 3.0])}


MODES = (
    FailureMode(
        title="A small loss in float16",
        broken=half_underflow,
        fix=half_underflow_fix,
        twin=half_underflow_twin,
        dtype="float16",
        state=State.zero,
        source="docs: torch.amp, Gradient Scaling",
        documented=True,
    ),
    FailureMode(
        title="Small updates of bfloat16 parameters",
        broken=update_rounded_away,
        fix=update_rounded_away_fix,
        twin=update_rounded_away_twin,
        dtype="bfloat16",
        state=State.lost,
    ),
    FailureMode(
        title="Many micro-batches accumulated in bfloat16",
        broken=sum_stagnates,
        fix=sum_stagnates_fix,
        twin=sum_stagnates_twin,
        dtype="bfloat16",
        state=State.wrong,
    ),
    FailureMode(
        title="Clipping before `scaler.unscale_`",
        broken=clipped_while_scaled,
        fix=clipped_while_scaled_fix,
        twin=clipped_while_scaled_twin,
        state=State.wrong,
        source="docs: notes/amp_examples, Working with Unscaled Gradients",
        documented=True,
    ),
    FailureMode(
        title="Reading `.grad` before `scaler.unscale_`",
        broken=read_while_scaled,
        fix=read_while_scaled_fix,
        twin=read_while_scaled_twin,
        state=State.wrong,
        source="docs: notes/amp_examples, Working with Unscaled Gradients",
        documented=True,
    ),
    FailureMode(
        title="Infinite gradients under a `GradScaler`",
        broken=step_skipped_for_inf,
        fix=step_skipped_for_inf_fix,
        twin=step_skipped_for_inf_twin,
        state=State.lost,
        source="docs: notes/amp_examples, Typical Mixed Precision Training",
        documented=True,
    ),
    FailureMode(
        title="A parameter of integers",
        broken=integer_parameter,
        fix=integer_parameter_fix,
        twin=integer_parameter_twin,
        dtype="int64",
        state=State.error,
        says="Only Tensors of floating point and complex dtype can require gradients",
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
