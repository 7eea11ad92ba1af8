"""A small optimizer, whose foreach implementation can be given a flaw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Toy(Optimizer):
    """SGD with momentum; ``foreach=True`` has the flaw, the for-loop is right.

    Args:
        params: Parameters.
        lr: Learning rate.
        momentum: Momentum factor.
        nesterov: Whether the momentum looks ahead.
        foreach: Whether the implementation with the flaw is used.
    """

    flaw = ""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        foreach: bool | None = None,
    ) -> None:
        if nesterov and not momentum:
            raise ValueError("nesterov needs momentum")
        super().__init__(params, dict(lr=lr, momentum=momentum, nesterov=nesterov, foreach=foreach))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            flaw = self.flaw if group["foreach"] else ""
            for p in group["params"]:
                if p.grad is None:
                    if flaw == "loses a None":
                        p.add_(0.25)
                    continue
                self._update(p, group, flaw)
            if flaw == "overwrites the rate" and isinstance(group["lr"], Tensor):
                group["lr"].mul_(0.5)

    def _update(self, p: Tensor, group: dict[str, Any], flaw: str) -> None:
        momentum, gradient = group["momentum"], p.grad
        assert gradient is not None
        if flaw == "raises at the second step" and self.state[p]:
            raise RuntimeError("late")
        if flaw == "changes the gradient" and momentum:
            gradient.add_(1)
        if momentum:
            kind = torch.float64 if flaw == "keeps another type" else p.dtype
            state = self.state[p]
            old = state.get("buffer", torch.zeros_like(p, dtype=kind))
            state["buffer"] = momentum * old + gradient
            buffer = state["buffer"].to(p.dtype)
            ahead = momentum * (1.01 if flaw == "looks too far ahead" else 1)
            gradient = gradient + ahead * buffer if group["nesterov"] else buffer
        self.state[p]["step"] = torch.ones(())
        if flaw == "skips an element" and p.numel() > 4:
            p.flatten()[0].clone()
            kept = p.flatten()[0].clone()
            p.sub_(group["lr"] * gradient)
            p[(0,) * p.dim()] = kept
        elif flaw == "hides the version":
            p.data.sub_(group["lr"] * gradient)
        elif flaw == "writes beside":
            p.sub_(group["lr"] * gradient)
            last = p.storage_offset() + sum(
                (n - 1) * s for n, s in zip(p.shape, p.stride(), strict=True)
            )
            if last + 1 < p.untyped_storage().nbytes() // p.element_size() and p.numel():
                p.as_strided((1,), (1,), last + 1).fill_(9.0)
        else:
            p.sub_(group["lr"] * gradient)
