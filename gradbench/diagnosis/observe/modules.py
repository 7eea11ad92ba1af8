"""Modules: what is assigned to them, loaded into them, and copied from them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from gradbench.diagnosis.observe.patches import Patches
from gradbench.diagnosis.observe.places import running
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import memory
from gradbench.diagnosis.timeline import Kind


def watch_modules(recorder: Recorder, patches: Patches) -> None:
    """Replace the methods of Module and Parameter that say what a program does.

    Args:
        recorder: Where events go.
        patches: Where the replacements are kept.
    """
    original_setattr = nn.Module.__setattr__
    original_load = nn.Module.load_state_dict
    original_zero = nn.Module.zero_grad
    original_copy: Any = nn.Parameter.__deepcopy__
    original_new = nn.Parameter.__new__
    original_setstate: Any = nn.Module.__setstate__

    @functools.wraps(original_setattr)
    def setattr_(self: nn.Module, name: str, value: Any) -> None:
        if not recorder.here:
            return original_setattr(self, name, value)
        kind = _kind(self, value, name)
        if kind is None:
            return original_setattr(self, name, value)
        if kind in ("mode", "flag"):
            changed = kind != "mode" or getattr(self, "training", value) != value
            original_setattr(self, name, value)
            if changed:
                recorder.add(
                    *(Kind.assign, name, self.parameters()),
                    module=type(self).__name__,
                    of=id(self),
                    what=kind,
                    value=value,
                    before=(),
                    forward=running("_call_impl", "nn/modules/module.py"),
                    leaf=False,
                )
            return None
        before = tuple(_leaves(vars(self), name))
        numbers = tuple(recorder.know(each).number for each in before)
        original_setattr(self, name, value)
        recorder.names.module(self)
        for module in _modules(value):
            recorder.names.module(module)
        recorder.names.changed = True
        after = tuple(_leaves(vars(self), name))
        recorder.add(
            *(Kind.assign, name, (), after),
            module=type(self).__name__,
            of=id(self),
            what=kind,
            value=None,
            before=numbers,
            forward=running("_call_impl", "nn/modules/module.py"),
            leaf=isinstance(value, Tensor) and value.is_leaf and value.requires_grad,
        )
        return None

    @functools.wraps(original_load)
    def load_state_dict(
        self: nn.Module, state_dict: Any, strict: bool = True, assign: bool = False
    ) -> Any:
        if not recorder.here:
            return original_load(self, state_dict, strict, assign)
        before = dict(self.named_parameters(remove_duplicate=False))
        own = {**before, **dict(self.named_buffers(remove_duplicate=False))}
        shared = tuple(
            recorder.number(before[name])
            for name, value in dict(state_dict).items()
            if name in before and isinstance(value, Tensor) and _same(before[name], value)
        )
        given = tuple(each for each in dict(state_dict).values() if isinstance(each, Tensor))
        with recorder.hushed():
            made = original_load(self, state_dict, strict, assign)
        after = dict(self.named_parameters(remove_duplicate=False))
        recorder.names.module(self)
        recorder.names.changed = True
        recorder.moved_memory()
        recorder.add(
            *(Kind.load, "module", given[:64], after.values()),
            module=type(self).__name__,
            matched=len(own.keys() & dict(state_dict).keys()),
            wanted=len(own),
            given=len(dict(state_dict)),
            missing=tuple(made.missing_keys[:8]),
            unexpected=tuple(made.unexpected_keys[:8]),
            strict=strict,
            assign=assign,
            shared=shared,
            untied=_untied(before, after),
            came_apart=tuple(recorder.number(after[name]) for name in _untied(before, after)),
            replaced=tuple(
                recorder.number(before[name])
                for name in before
                if after.get(name) is not before[name]
            ),
        )
        return made

    @functools.wraps(original_zero)
    def zero_grad(self: nn.Module, set_to_none: bool = True) -> None:
        if not recorder.here:
            return original_zero(self, set_to_none)
        parameters = list(self.parameters())
        with torch._C.DisableTorchFunction():
            had = tuple(recorder.number(each) for each in parameters if each.grad is not None)
        with recorder.hushed():
            original_zero(self, set_to_none)
        recorder.cleared(had, "module", set_to_none, held=tuple(map(recorder.number, parameters)))

    @functools.wraps(original_copy)
    def deepcopy(self: nn.Parameter, memo: dict[int, Any]) -> Any:
        known = id(self) in memo
        with recorder.hushed():
            made = original_copy(self, memo)
        if recorder.here and not known:
            with torch._C.DisableTorchFunction():
                had = self.grad is not None
            recorder.add(Kind.copy, "deepcopy", (self,), (made,), had_grad=had)
        return made

    def new(cls: Any, data: Any = None, requires_grad: bool = True) -> Any:
        made = original_new(cls, data, requires_grad)
        if isinstance(data, Tensor) and recorder.here and isinstance(made, Tensor):
            recorder.add(
                *(Kind.parameter, "Parameter", (data,), (made,)),
                graph=data.grad_fn is not None,
                forward=running("_call_impl", "nn/modules/module.py"),
            )
            recorder.moved_memory()
        return made

    @functools.wraps(original_setstate)
    def setstate(self: nn.Module, state: Any) -> None:
        original_setstate(self, state)
        if recorder.here and recorder.names.another_with(self):
            recorder.add(Kind.copy, "copy", self.parameters(), self.parameters(), had_grad=False)

    patches.replace(nn.Module, "__setattr__", setattr_)
    patches.replace(nn.Module, "__setstate__", setstate)
    patches.replace(nn.Module, "load_state_dict", load_state_dict)
    patches.replace(nn.Module, "zero_grad", zero_grad)
    patches.replace(nn.Parameter, "__deepcopy__", deepcopy)
    patches.replace(nn.Parameter, "__new__", staticmethod(new))


def _kind(module: nn.Module, value: Any, name: str) -> str | None:
    """Say what is assigned, if it matters."""
    if isinstance(value, nn.Parameter):
        return "parameter"
    if isinstance(value, Tensor):
        return "tensor"
    if isinstance(value, nn.Module):
        return "module"
    if name == "requires_grad" and isinstance(value, bool):
        return "flag"
    if name == "training" and isinstance(module, _BatchNorm):
        return "mode"
    return "modules" if any(True for _ in _members(value)) else None


def _members(value: Any) -> Iterator[Any]:
    """Yield the modules and leaves in a list or dictionary."""
    values = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list, tuple)):
        return
    for each in list(values)[:64]:
        if isinstance(each, nn.Module) or (isinstance(each, Tensor) and each.requires_grad):
            yield each


def _modules(value: Any) -> Iterator[nn.Module]:
    if isinstance(value, nn.Module):
        yield from value.modules()
    else:
        for each in _members(value):
            if isinstance(each, nn.Module):
                yield from each.modules()


def _leaves(attributes: dict[str, Any], name: str) -> Iterator[Tensor]:
    """Yield the leaves that an attribute of a module holds."""
    for where in ("_parameters", "_modules"):
        value = attributes.get(where, {}).get(name)
        if isinstance(value, nn.Module):
            yield from value.parameters()
        elif value is not None:
            yield value
    value = attributes.get(name)
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for each in _members(value):
            if isinstance(each, nn.Module):
                yield from each.parameters()
            else:
                yield each


def weights_cached() -> bool:
    """Say whether `parametrize.cached` is in force, and holds a weight."""
    return bool(parametrize._cache_enabled and parametrize._cache)


def _same(a: Tensor, b: Tensor) -> bool:
    return memory(a) != 0 and memory(a) == memory(b) and a.numel() > 0


def _untied(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Return the names that shared a parameter before and do not any more."""
    by_id: dict[int, list[str]] = {}
    for name, parameter in before.items():
        by_id.setdefault(id(parameter), []).append(name)
    return tuple(
        name
        for names in by_id.values()
        if len(names) > 1 and len({id(after.get(name)) for name in names}) > 1
        for name in names
    )
