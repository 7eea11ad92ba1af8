"""Custom functions: a backward of one's own, and what PyTorch no longer checks for it.

`save_for_backward` has what it saves checked for later writes. What is kept elsewhere, changed in
place without a word, or not returned is the author's business.
"""

from collections.abc import Iterator

import torch

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def kept_on_ctx(device):
    """A tensor kept as an attribute has no saved version: a later write is not noticed."""

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.x * g

    w = torch.ones(2, device=device, requires_grad=True)
    loss = Square.apply(w).sum()
    with torch.no_grad():
        w += 2
    loss.backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def kept_on_ctx_fix(device):
    """Use `save_for_backward`: the write is then an error, and one knows to do it later."""

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    w = torch.ones(2, device=device, requires_grad=True)
    loss = Square.apply(w).sum()
    loss.backward()
    with torch.no_grad():
        w += 2
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def kept_on_ctx_twin(device):
    """Numbers and shapes do belong on `ctx`."""

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None

    w = torch.ones(2, device=device, requires_grad=True)
    loss = Scale.apply(w, 2.0).sum()
    with torch.no_grad():
        w += 2
    loss.backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def too_few_gradients(device):
    """Each argument of forward wants an answer, also those that are no tensors."""

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor

    w = torch.ones(2, device=device, requires_grad=True)
    Scale.apply(w, 2.0).sum().backward()


def too_few_gradients_fix(device):
    """None for what has no gradient."""

    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None

    w = torch.ones(2, device=device, requires_grad=True)
    Scale.apply(w, 2.0).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def too_few_gradients_twin(device):
    """Too many are fine if what is too many is None."""

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g, None, None

    w = torch.ones(2, device=device, requires_grad=True)
    Double.apply(w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


def written_not_marked(device):
    """Autograd takes x for what it was before forward doubled it in place."""

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    w = torch.ones(2, device=device, requires_grad=True)
    x = w * 1
    y = Double.apply(x)
    (y + x).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 4.0)}


def written_not_marked_fix(device):
    """Say so with `mark_dirty`: x then has the function in its history."""

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    w = torch.ones(2, device=device, requires_grad=True)
    x = w * 1
    y = Double.apply(x)
    (y + x).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 4.0)}


def written_not_marked_twin(device):
    """A tensor made inside forward may be written as one likes."""

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone().mul_(2)

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    w = torch.ones(2, device=device, requires_grad=True)
    x = w * 1
    y = Double.apply(x)
    (y + x).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 3.0)}


def intermediate_saved(device):
    """To the second derivative an intermediate result of forward is a constant."""

    class SquaredExp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            e = x.exp()
            ctx.save_for_backward(e)
            return e * e

        @staticmethod
        def backward(ctx, g):
            (e,) = ctx.saved_tensors
            return 2 * e * e * g

    w = torch.zeros(2, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(SquaredExp.apply(w).sum(), w, create_graph=True)
    (g.square() + w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 17.0)}


def intermediate_saved_fix(device):
    """Save inputs and outputs, and compute the rest again."""

    class SquaredExp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (2 * x).exp()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * (2 * x).exp() * g

    w = torch.zeros(2, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(SquaredExp.apply(w).sum(), w, create_graph=True)
    (g.square() + w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 17.0)}


def intermediate_saved_twin(device):
    """For the first derivative it is as good, and cheaper."""

    class SquaredExp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            e = x.exp()
            ctx.save_for_backward(e)
            return e * e

        @staticmethod
        def backward(ctx, g):
            (e,) = ctx.saved_tensors
            return 2 * e * e * g

    w = torch.zeros(2, device=device, requires_grad=True)
    SquaredExp.apply(w).sum().backward()
    return {"got": w.grad, "right": torch.full((2,), 2.0)}


MODES = (
    FailureMode(
        title="`ctx.x = x` instead of `ctx.save_for_backward(x)`",
        broken=kept_on_ctx,
        fix=kept_on_ctx_fix,
        twin=kept_on_ctx_twin,
        state=State.wrong,
        source="docs: torch.autograd.function.FunctionCtx.save_for_backward",
        documented=True,
    ),
    FailureMode(
        title="A backward that returns too few gradients",
        broken=too_few_gradients,
        fix=too_few_gradients_fix,
        twin=too_few_gradients_twin,
        state=State.error,
        says="returned an incorrect number of gradients",
        source="docs: torch.autograd.Function.backward",
        documented=True,
    ),
    FailureMode(
        title="A forward that writes its input without `mark_dirty`",
        broken=written_not_marked,
        fix=written_not_marked_fix,
        twin=written_not_marked_twin,
        state=State.wrong,
        source="docs: torch.autograd.function.FunctionCtx.mark_dirty",
        documented=True,
    ),
    FailureMode(
        title="An intermediate result saved, and a second derivative",
        broken=intermediate_saved,
        fix=intermediate_saved_fix,
        twin=intermediate_saved_twin,
        state=State.wrong,
        source="tutorial: Double Backward with Custom Functions",
        documented=True,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
