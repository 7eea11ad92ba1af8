"""Names of tensors: as parameters of modules, in lists that modules hold, as variables."""

from __future__ import annotations

import inspect
import sys
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from gradbench.diagnosis.observe.recorder import Recorder


class Names:
    """Collects names while the objects exist.

    Args:
        recorder: Knows the tensors.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._modules: dict[int, weakref.ref[nn.Module]] = {}
        self._variables: dict[int, str] = {}
        self._optimizers: dict[int, str] = {}
        self.names: dict[int, str] = {}
        self._fresh: set[int] = set()
        self._taken: dict[str, int] = {}
        self.held: dict[int, str] = {}
        self.classes: dict[int, str] = {}
        self.roots: dict[int, int] = {}
        self.places: dict[int, int] = {}
        self.holders: dict[int, tuple[type, str]] = {}
        self._root_numbers: weakref.WeakKeyDictionary[nn.Module, int] = weakref.WeakKeyDictionary()
        self.changed = True

    def module(self, module: nn.Module) -> None:
        """Remember a module."""
        if id(module) not in self._modules:
            self._modules[id(module)] = weakref.ref(module)
            self.changed = True

    def another_with(self, module: nn.Module) -> bool:
        """Say whether another module has the very dictionary of parameters that one has."""
        return any(
            each is not module
            and each._modules is module._modules
            and each._parameters is module._parameters
            for each in self._living()
        )

    def of_module(self, module: nn.Module) -> str:
        """Return the name of the variable that holds a module, or its class's."""
        return self._variables.get(id(module)) or type(module).__name__

    def of_optimizer(self, optimizer: object) -> str:
        """Return the name of the variable that holds an optimizer; empty if none is known."""
        return self._optimizers.get(id(optimizer), "")

    def look(self, frames: Iterable[FrameType]) -> None:
        """Learn names from the variables of some frames, and from the modules.

        Args:
            frames: The user's.
        """
        for frame in frames:
            function = bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)
            variables = frame.f_locals
            for name, value in list(variables.items()):
                self._bind(name, value)
            if function and sys.version_info < (3, 13):
                # What the copy of the variables holds would live as long as the frame.
                variables.clear()
        self.learn()

    def _bind(self, name: str, value: Any, deep: bool = True) -> None:
        if isinstance(value, Tensor):
            if name.startswith("_") or not deep:
                return
            seen = self._recorder.know(value)
            if not seen.variable:
                seen.variable = name
        elif isinstance(value, nn.Module):
            self.module(value)
            self._variables.setdefault(id(value), name)
        elif isinstance(value, torch.optim.Optimizer):
            self._optimizers.setdefault(id(value), name)
        elif deep and isinstance(value, (list, tuple)) and 0 < len(value) <= 64:
            for index, each in enumerate(value):
                if isinstance(each, Tensor) and each.requires_grad and each.is_leaf:
                    self._bind(f"{name}[{index}]", each)
                elif isinstance(each, nn.Module):
                    self._bind(f"{name}[{index}]", each, False)
        elif deep and isinstance(value, dict) and len(value) <= 64:
            for key, each in value.items():
                if isinstance(key, str) and isinstance(each, (Tensor, nn.Module)):
                    self._bind(f"{name}[{key!r}]", each, not isinstance(each, nn.Module))
        elif deep and hasattr(value, "__dict__") and not isinstance(value, type):
            try:
                attributes = dict(vars(value))
            except TypeError:
                return
            for attribute, each in attributes.items():
                if isinstance(each, (nn.Module, torch.optim.Optimizer)):
                    self._bind(attribute, each, False)
                elif isinstance(each, Tensor) and each.requires_grad and each.is_leaf:
                    self._bind(f"{name}.{attribute}" if name != "self" else attribute, each)

    def learn(self) -> None:
        """Name the parameters of all modules that exist."""
        if not self.changed:
            return
        self.changed = False
        modules = list(self._living())
        children = {id(child) for module in modules for child in module.children()}
        listed = {
            id(each): f"{attribute}.{position}"
            for module in modules
            for attribute, position, each in _unregistered(module)
        }
        roots = [each for each in modules if id(each) not in children and id(each) not in listed]
        # Anew each time: what was a root may be part of a larger module by now.
        self._fresh, self._taken = set(), {}
        for root in roots:
            self._name_root(root)

    def _name_root(self, root: nn.Module) -> None:
        number = self._root_numbers.setdefault(root, len(self._root_numbers) + 1)
        places: Counter[int] = Counter()
        for path, module in root.named_modules():
            prefix = f"{path}." if path else ""
            for name, parameter in module._parameters.items():
                if parameter is None:
                    continue
                seen = self._recorder.know(parameter)
                self.classes[seen.number] = type(module).__name__
                self.roots[seen.number] = number
                places[seen.number] += 1
                self._give(self.names, seen.number, prefix + name, root)
            for attribute, position, value in _unregistered(module):
                where = f"{prefix}{attribute}" + (f".{position}" if position != "" else "")
                if isinstance(value, Tensor):
                    of = self._recorder.number(value)
                    self.roots[of] = number
                    self.holders[of] = type(module), attribute
                    self._give(self.held, of, where, root)
                    continue
                for name, parameter in value.named_parameters():
                    of = self._recorder.number(parameter)
                    self.classes[of] = type(module).__name__
                    self.roots[of] = number
                    self.holders[of] = type(module), attribute
                    self._give(self.held, of, f"{where}.{name}", root)
        self.places.update(places)

    def _give(self, names: dict[int, str], number: int, name: str, root: nn.Module) -> None:
        """Give a name, with the module's variable before it where another tensor has it."""
        if number in self._fresh:
            return
        self._fresh.add(number)
        if self._taken.get(name, number) != number:
            name = f"{self.of_module(root)}.{name}"
        self._taken[name] = number
        names[number] = name

    def _living(self) -> Iterator[nn.Module]:
        for key, reference in list(self._modules.items()):
            module = reference()
            if module is None:
                del self._modules[key]
                self._variables.pop(key, None)
            else:
                yield module


def _unregistered(module: nn.Module) -> Iterator[tuple[str, Any, Any]]:
    """Yield the modules and leaves that a module holds without having registered them."""
    for attribute, value in list(vars(module).items()):
        if attribute.startswith("_") and attribute in ("_parameters", "_buffers", "_modules"):
            continue
        if isinstance(value, Tensor) and value.requires_grad and value.is_leaf:
            yield attribute, "", value
        elif isinstance(value, (list, tuple)):
            for index, each in enumerate(value[:256]):
                if isinstance(each, nn.Module) or (
                    isinstance(each, Tensor) and each.requires_grad and each.is_leaf
                ):
                    yield attribute, index, each
        elif isinstance(value, dict):
            for key, each in list(value.items())[:256]:
                if isinstance(each, nn.Module) or (
                    isinstance(each, Tensor) and each.requires_grad and each.is_leaf
                ):
                    yield attribute, key, each
