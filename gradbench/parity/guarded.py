"""A parameter and its gradient in guarded storages, and what is in them, on the host."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from gradbench.parity.cases import Case, Member, gradient_values, starting_values
from gradbench.parity.position import GUARD, View, view_of


class Place:
    """A parameter in a guarded storage, with its gradient in another."""

    def __init__(self, case: Case, member: Member, device: torch.device):
        self.member, self.dtype, self.device = member, case.dtype_of(member), device
        self.view = view_of(member.shape, member.parameter)
        self.storage = torch.full((self.view.span,), GUARD, dtype=self.dtype, device=device)
        tensor = _of(self.storage, self.view)
        put(tensor, starting_on(member, self.dtype, device))
        self.parameter = tensor.requires_grad_(case.implementation != "differentiable")
        self.gradient: Tensor | None = None
        self.bits: Tensor | None = None
        self.earlier: Tensor | None = None
        self.kept: Tensor | None = None

    def give(self, step: int) -> None:
        """Set the gradient of a step, and keep the one before: a buffer may be the same memory."""
        self.earlier, self.kept = self.bits, None if self.bits is None else host(self.bits)
        if not self.member.has_gradient(step):
            self.parameter.grad = self.gradient = self.bits = None
            return
        values = gradient_on(self.member, step, self.dtype, self.device)
        if self.member.gradient == "sparse":
            self.gradient = values.to_sparse()
            self.bits = self.gradient.values()
        elif self.member.gradient == "conjugated":
            self.bits = values.conj().resolve_conj()
            self.gradient = self.bits.conj()
        else:
            view = view_of(self.member.shape, self.member.gradient)
            self.bits = torch.full((view.span,), torch.nan, dtype=self.dtype, device=self.device)
            self.gradient = _of(self.bits, view)
            put(self.gradient, values)
        self.parameter.grad = self.gradient


@functools.lru_cache(maxsize=512)
def starting_on(member: Member, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return ``starting_values`` on a device: copied there once, not to be written to."""
    return starting_values(member, dtype).to(device)


@functools.lru_cache(maxsize=2048)
def gradient_on(member: Member, step: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return ``gradient_values`` on a device: copied there once, not to be written to."""
    return gradient_values(member, step, dtype).to(device)


@functools.lru_cache(maxsize=512)
def outside(view: View) -> Tensor:
    """Return which elements of a storage do not belong to the view, on the host."""
    return ~view.inside()


def host(tensor: Tensor) -> Tensor:
    """Copy a tensor, densely, to the host, where comparing costs no launches and no waiting."""
    tensor = tensor.detach()
    if tensor.is_sparse:
        return tensor.to_dense().cpu()
    return tensor.clone() if tensor.device.type == "cpu" else tensor.cpu()


def raw(storage: Tensor) -> Tensor:
    """Return the bytes of a storage, shape (elements, bytes of each)."""
    flat = storage.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).reshape(flat.numel(), -1) if flat.numel() else flat.view(0, 1)


def same(one: Tensor, other: Tensor) -> bool:
    """Say whether two storages hold the same bytes."""
    return torch.equal(raw(one), raw(other))


def put(tensor: Tensor, values: Tensor) -> None:
    """Write values into a tensor whose rows may all be the same memory."""
    shared = tensor.dim() > 0 and tensor.stride(0) == 0 and tensor.size(0) > 1
    (tensor[0] if shared else tensor).copy_(values[0] if shared else values)


def _of(storage: Tensor, view: View) -> Tensor:
    return storage.as_strided(view.shape, view.stride, view.offset)
