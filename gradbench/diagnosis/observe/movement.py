"""What an optimizer's step moved, and by what kind of gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradbench.diagnosis.observe.fingerprint import fingerprint
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import memory

SAMPLED = 1024
"""Elements of a tensor that are looked at one by one."""

SAMPLED_STEPS = 3
"""Steps of an optimizer whose elements are looked at; low precision always."""

_LOW = (torch.float16, torch.bfloat16)


class Movement:
    """Compares the parameters of one optimizer before and after a step.

    Args:
        recorder: Knows the tensors.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.steps = 0
        self._contents: dict[int, tuple[int, int | None]] = {}
        self._now: dict[int, dict[str, Any]] = {}
        self._states: dict[int, tuple[tuple[int, int], ...]] = {}

    def before(self, optimizer: Optimizer) -> None:
        """Look at the parameters and gradients before a step."""
        self._now = {}
        with torch.no_grad(), torch._C.DisableTorchFunction():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    number = self._recorder.number(parameter)
                    self._now[number] = self._look(optimizer, parameter)

    def _look(self, optimizer: Optimizer, parameter: Tensor) -> dict[str, Any]:
        gradient = parameter.grad if parameter.is_leaf else None
        found: dict[str, Any] = {"gradient": gradient}
        if gradient is None:
            return found
        found["contents"] = fingerprint(parameter)
        found["stateful"] = _has_state(optimizer, parameter) and (
            self._states.get(self._recorder.number(parameter)) == _state(optimizer, parameter)
        )
        found["of_gradient"] = fingerprint(gradient)
        found["version"] = -1 if gradient.is_inference() else gradient._version
        if gradient.layout != torch.strided or parameter.layout != torch.strided:
            found["sparse"] = gradient.is_sparse
            found["zero"] = bool(gradient.is_sparse and not gradient._values().any())
            return found
        found["zero"] = found["of_gradient"] in (0, None) and not bool(gradient.any())
        edited = self._recorder.number(parameter) in self._recorder.edited
        if self.steps < SAMPLED_STEPS or edited or parameter.dtype in _LOW:
            found["sample"] = _sample(parameter)
            found["gradients"] = _sample(gradient)
        if _strides(gradient) != _strides(parameter):
            found["layout"] = True
        return found

    def after(self, optimizer: Optimizer) -> dict[str, Any]:
        """Look again, and say what moved.

        Returns:
            Numbers of the tensors ``held``, ``none`` (no gradient),
            ``frozen`` (those of ``none`` that require none), ``zero`` (a gradient of
            zeros), ``moved``, ``unmoved`` (with a gradient that is not zero), ``rewritten``
            (the step changed the gradient), ``aliased`` (a pair of a tensor and the key of the
            state that holds its gradient), ``gaps`` (fused, and not dense), ``layouts`` (the
            gradient has other strides), ``sparse`` (the gradient is), ``stateful``
            (the optimizer remembered earlier gradients, untouched since its last step),
            ``overwritten`` (living results of `detach` in the memory of what moved), and
            ``elements``: for each tensor that was looked at, its number, and how many elements had
            a zero gradient, of them moved, had another gradient, of them stayed.
        """
        lists: dict[str, list[Any]] = {
            key: []
            for key in (
                *("none", "zero", "moved", "unmoved", "rewritten", "aliased", "elements"),
                *("gaps", "layouts", "frozen", "sparse", "stateful"),
            )
        }
        with torch.no_grad(), torch._C.DisableTorchFunction():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    self._compare(optimizer, group, parameter, lists)
        self.steps += 1
        lists["overwritten"] = self._recorder.snapshots(set(lists["moved"]))
        held = tuple(self._now)
        self._now = {}
        return {"held": held, **{key: tuple(value) for key, value in lists.items()}}

    def _compare(
        self,
        optimizer: Optimizer,
        group: dict[str, Any],
        parameter: Tensor,
        lists: dict[str, list[Any]],
    ) -> None:
        number = self._recorder.number(parameter)
        was = self._now.get(number)
        if was is None:
            return
        gradient = was["gradient"]
        if gradient is None:
            lists["none"].append(number)
            if not parameter.requires_grad:
                lists["frozen"].append(number)
            return
        if was["zero"]:
            lists["zero"].append(number)
        if was["contents"] is not None:
            moved = fingerprint(parameter) != was["contents"]
            if moved:
                lists["moved"].append(number)
            elif not was["zero"]:
                lists["unmoved"].append(number)
        written = was["version"] >= 0 and gradient._version != was["version"]
        if written and fingerprint(gradient) != was["of_gradient"]:
            lists["rewritten"].append(number)
        if was["stateful"]:
            lists["stateful"].append(number)
        self._states[number] = _state(optimizer, parameter)
        if was.get("layout"):
            lists["layouts"].append(number)
        if was.get("sparse"):
            lists["sparse"].append(number)
        if group.get("fused") and not _dense(parameter):
            lists["gaps"].append(number)
        if "sample" in was:
            lists["elements"].append((number, *_elements(parameter, was)))
        place = memory(gradient)
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor) and (value is gradient or memory(value) == place):
                lists["aliased"].append((number, str(key)))


def _state(optimizer: Optimizer, parameter: Tensor) -> tuple[tuple[int, int], ...]:
    """Return what tells whether somebody wrote the state that is kept for a parameter."""
    return tuple(
        (id(value), -1 if value.is_inference() else value._version)
        for value in optimizer.state.get(parameter, {}).values()
        if isinstance(value, Tensor)
    )


def _has_state(optimizer: Optimizer, parameter: Tensor) -> bool:
    """Say whether an optimizer remembers something of each element of a parameter."""
    return any(
        isinstance(value, Tensor) and value.shape == parameter.shape and value.dim() > 0
        for value in optimizer.state.get(parameter, {}).values()
    )


def _sample(tensor: Tensor) -> Tensor:
    """Return up to ``SAMPLED`` elements, evenly spread."""
    flat = tensor.detach().reshape(-1)
    step = max(1, -(-flat.numel() // SAMPLED))
    return flat[::step].clone()


def _elements(parameter: Tensor, was: dict[str, Any]) -> tuple[int, int, int, int]:
    """Count elements: zero gradient, of them moved, other gradient, of them unmoved."""
    still = _sample(parameter) == was["sample"]
    zero = was["gradients"] == 0
    if still.shape != zero.shape:
        return 0, 0, 0, 0
    return (
        int(zero.sum()),
        int((zero & ~still).sum()),
        int((~zero).sum()),
        int((~zero & still).sum()),
    )


def _strides(tensor: Tensor) -> list[int]:
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    return [step for size, step in pairs if size > 1]


def _dense(tensor: Tensor) -> bool:
    """Say whether a tensor's elements lie in memory without gaps."""
    spans = sorted(
        (step, size) for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size > 1
    )
    expected = 1
    for step, size in spans:
        if step != expected:
            return False
        expected *= size
    return True
