"""The fused kernels that torch.optim calls, with the arguments that no rule here uses filled in.

Source: ``_fused_*`` in ATen's native_functions.yaml, as torch.optim calls them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def sgd(
    parameters: list[Tensor],
    gradients: list[Tensor],
    buffers: list[Tensor],
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None:
    """Call the kernel of ``SGD(fused=True)``.

    Args:
        parameters: Written.
        gradients: Only read.
        buffers: Momentum buffers, written; empty where ``momentum`` is 0.
        lr: Learning rate.
        momentum: μ.
        nesterov: Whether to look ahead.
    """
    torch._fused_sgd_(
        parameters,
        gradients,
        buffers,
        weight_decay=0.0,
        momentum=momentum,
        lr=lr,
        dampening=0.0,
        nesterov=nesterov,
        maximize=False,
        is_first_step=False,  # a buffer of zeros makes the first step like all others
    )


def adam(
    parameters: list[Tensor],
    gradients: list[Tensor],
    slots: Mapping[str, list[Tensor]],
    counts: list[Tensor],
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float | None = None,
) -> None:
    """Call the kernel of ``Adam(fused=True)`` or ``AdamW(fused=True)``.

    Args:
        parameters: Written.
        gradients: Only read.
        slots: ``exp_avg`` and ``exp_avg_sq``, a tensor per parameter; written.
        counts: Number of updates so far, for each parameter: 0-dim float32; advanced.
        lr: Learning rate.
        beta1: Decay of the mean.
        beta2: Decay of the mean square.
        eps: ε.
        weight_decay: λ of AdamW; None for Adam.
    """
    torch._foreach_add_(counts, 1)
    kernel = torch._fused_adam_ if weight_decay is None else torch._fused_adamw_
    kernel(
        parameters,
        gradients,
        slots["exp_avg"],
        slots["exp_avg_sq"],
        [],
        counts,
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        weight_decay=weight_decay or 0.0,
        eps=eps,
        amsgrad=False,
        maximize=False,
    )


def adagrad(
    parameters: list[Tensor],
    gradients: list[Tensor],
    sums: list[Tensor],
    counts: list[Tensor],
    *,
    lr: float,
    eps: float,
) -> None:
    """Call the kernel of ``Adagrad(fused=True)``.

    Args:
        parameters: Written.
        gradients: Only read.
        sums: Sums of squares, written.
        counts: 0-dim float32, for each parameter; without a decay of lr their values do not matter.
        lr: Learning rate.
        eps: ε.
    """
    torch._fused_adagrad_(
        parameters,
        gradients,
        sums,
        counts,
        lr=lr,
        lr_decay=0.0,
        weight_decay=0.0,
        eps=eps,
        maximize=False,
    )
