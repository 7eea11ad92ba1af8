"""Optimizers: what they hold, when they step, what moved, and who cleared the gradients."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradbench.diagnosis.observe.fingerprint import fingerprint
from gradbench.diagnosis.observe.inner_optimizer import inner_optimizer
from gradbench.diagnosis.observe.modules import weights_cached
from gradbench.diagnosis.observe.movement import Movement
from gradbench.diagnosis.observe.patches import Patches
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import memory, tensors_in
from gradbench.diagnosis.timeline import Kind

_OPTIONS = (
    "lr", "weight_decay", "momentum", "betas", "nesterov", "maximize", "fused", "foreach",
    "amsgrad", "dampening", "eps", "initial_lr",
)  # fmt: skip


class Optimizers:
    """Watches every optimizer.

    Args:
        recorder: Where events go.
        stepped: Called after each step; may raise to end the program.
    """

    def __init__(self, recorder: Recorder, stepped: Callable[[], None]) -> None:
        self._recorder = recorder
        self._stepped = stepped
        self._known: dict[int, tuple[weakref.ref[Optimizer], int]] = {}
        self._count = 0
        self._wrapped: set[type] = set()
        self._patches: Patches | None = None
        self._movements: dict[int, Movement] = {}

    def watch(self, patches: Patches) -> None:
        """Replace the methods of Optimizer that say what a program does.

        Args:
            patches: Where the replacements are kept.
        """
        self._patches = patches
        watches = self
        recorder = self._recorder

        @functools.wraps(Optimizer.__init__)
        def init(self: Optimizer, *args: Any, **kwargs: Any) -> None:
            watches.wrap_step(type(self))
            try:
                original_init(self, *args, **kwargs)
            except ValueError:
                if args and isinstance(args[0], (list, tuple)) and recorder.here:
                    results = [each for each in tensors_in(args[0]) if not each.is_leaf]
                    recorder.failed = (), tuple(map(recorder.number, results))
                raise
            if recorder.here:
                watches.built(self, "built")

        @functools.wraps(Optimizer.__setstate__)
        def setstate(self: Optimizer, state: dict[str, Any]) -> None:
            original_setstate(self, state)
            if recorder.here and watches.number_or_none(self) is None:
                watches.wrap_step(type(self))
                watches.built(self, "copied")

        @functools.wraps(Optimizer.add_param_group)
        def add_param_group(self: Optimizer, group: dict[str, Any]) -> None:
            original_add(self, group)
            if recorder.here and watches.number_or_none(self) is not None:
                watches.built(self, "group")

        @functools.wraps(Optimizer.zero_grad)
        def zero_grad(self: Optimizer, set_to_none: bool = True) -> None:
            if not recorder.here:
                return original_zero(self, set_to_none)
            had = watches.with_gradient(self)
            with recorder.hushed():
                original_zero(self, set_to_none)
            recorder.cleared(
                had,
                "optimizer",
                set_to_none,
                optimizer=watches.number(self),
                held=watches.held(self),
            )

        @functools.wraps(Optimizer.load_state_dict)
        def load_state_dict(self: Optimizer, state_dict: Any) -> None:
            if not recorder.here:
                return original_load(self, state_dict)
            before = [group.get("lr") for group in self.param_groups]
            owned = watches.contents_of_states(self)
            with recorder.hushed():
                original_load(self, state_dict)
            recorder.add(
                *(Kind.load, "optimizer"),
                optimizer=watches.number(self),
                held=watches.held(self),
                lr_before=tuple(map(_plain, before)),
                lr_after=tuple(_plain(group.get("lr")) for group in self.param_groups),
                shares=watches.sharing_state(self),
                came_from=watches.came_from(self, owned),
            )

        def setattr_(self: Optimizer, name: str, value: Any) -> None:
            object.__setattr__(self, name, value)
            known = watches.number_or_none(self)
            if known is not None and recorder.here and name in getattr(self, "defaults", {}):
                recorder.add(
                    *(Kind.option, name),
                    optimizer=known,
                    value=_plain(value),
                    used=_plain(self.param_groups[0].get(name)),
                    torch=type(self).__module__.startswith("torch.optim"),
                )

        original_init = Optimizer.__init__
        original_setstate = Optimizer.__setstate__
        original_add = Optimizer.add_param_group
        original_zero = Optimizer.zero_grad
        original_load = Optimizer.load_state_dict
        patches.replace(Optimizer, "__init__", init)
        patches.replace(Optimizer, "__setstate__", setstate)
        patches.replace(Optimizer, "add_param_group", add_param_group)
        patches.replace(Optimizer, "zero_grad", zero_grad)
        patches.replace(Optimizer, "load_state_dict", load_state_dict)
        patches.replace(Optimizer, "__setattr__", setattr_)

    def number_or_none(self, optimizer: Optimizer) -> int | None:
        """Return the number of an optimizer that is known."""
        known = self._known.get(id(optimizer))
        return known[1] if known is not None and known[0]() is optimizer else None

    def number(self, optimizer: Optimizer) -> int:
        """Return the number of an optimizer; one that is new becomes known."""
        optimizer = inner_optimizer(optimizer)
        known = self.number_or_none(optimizer)
        if known is None:
            self.wrap_step(type(optimizer))
            self.built(optimizer, "found")
            known = self.number_or_none(optimizer)
        assert known is not None
        return known

    def built(self, optimizer: Optimizer, made: str) -> None:
        """Record an optimizer with what it holds.

        Args:
            optimizer: Which.
            made: ``built``, ``copied``, ``group`` (one was added) or ``found`` (it was there
                before the observation).
        """
        known = self.number_or_none(optimizer)
        if known is None:
            known = self._count
            self._count += 1
            self._known[id(optimizer)] = (weakref.ref(optimizer), known)
        groups = [list(group["params"]) for group in optimizer.param_groups]
        tensors = [each for group in groups for each in group]
        self._recorder.held.update(map(self._recorder.number, tensors))
        times = Counter(map(id, tensors))
        self._recorder.add(
            *(Kind.optimizer, type(optimizer).__name__, tensors),
            optimizer=known,
            made=made,
            held=tuple(map(self._recorder.number, tensors)),
            twice=tuple({self._recorder.number(each) for each in tensors if times[id(each)] > 1}),
            shares=tuple(self._recorder.leaf_of_memory(each) for each in tensors),
            torch=type(optimizer).__module__.startswith("torch.optim"),
            options=tuple(
                {key: _plain(group[key]) for key in _OPTIONS if key in group}
                for group in optimizer.param_groups
            ),
            lr=tuple(_plain(group.get("lr")) for group in optimizer.param_groups),
        )

    def rates(self, optimizer: Optimizer) -> tuple[Any, ...]:
        """Return the learning rate of each group of an optimizer."""
        return tuple(_plain(group.get("lr")) for group in optimizer.param_groups)

    def held(self, optimizer: Optimizer) -> tuple[int, ...]:
        """Return the numbers of what an optimizer holds."""
        return tuple(
            self._recorder.number(each)
            for group in optimizer.param_groups
            for each in group["params"]
        )

    def with_gradient(self, optimizer: Optimizer) -> tuple[int, ...]:
        """Return the numbers of what an optimizer holds and has a gradient."""
        with torch._C.DisableTorchFunction():
            return tuple(
                self._recorder.number(each)
                for group in optimizer.param_groups
                for each in group["params"]
                if each.is_leaf and each.grad is not None
            )

    def sharing_state(self, optimizer: Optimizer) -> tuple[int, ...]:
        """Return the optimizers whose state is in the same memory as this one's."""
        own = _state_memory(optimizer)
        found = []
        for reference, number in self._known.values():
            other = reference()
            if other is not None and other is not optimizer and own & _state_memory(other):
                found.append(number)
        return tuple(found)

    def contents_of_states(self, optimizer: Optimizer) -> dict[int, int]:
        """Return whose state each content is, of all optimizers but one."""
        found: dict[int, set[int]] = {}
        for reference, _ in self._known.values():
            other = reference()
            if other is not None and other is not optimizer:
                for number, contents in self._contents(other):
                    found.setdefault(contents, set()).add(number)
        return {key: owners.pop() for key, owners in found.items() if len(owners) == 1}

    def came_from(self, optimizer: Optimizer, owned: dict[int, int]) -> tuple[tuple[int, int], ...]:
        """Return pairs: a parameter, and the one that another optimizer keeps its state for."""
        pairs = ((number, owned.get(contents)) for number, contents in self._contents(optimizer))
        return tuple(dict.fromkeys((number, other) for number, other in pairs if other is not None))

    def _contents(self, optimizer: Optimizer) -> Iterator[tuple[int, int]]:
        for parameter, state in list(optimizer.state.items()):
            if not isinstance(parameter, Tensor):
                continue
            for value in state.values() if isinstance(state, dict) else ():
                if isinstance(value, Tensor) and value.dim() and value.shape == parameter.shape:
                    contents = fingerprint(value)
                    if contents:
                        yield self._recorder.number(parameter), contents

    def wrap_step(self, kind: type) -> bool:
        """Put a watch on the step of a class of optimizers.

        Args:
            kind: The class.

        Returns:
            Whether it had none.
        """
        owner = next((each for each in kind.__mro__ if "step" in each.__dict__), None)
        if owner is None or owner is Optimizer or owner in self._wrapped or not self._patches:
            return False
        self._wrapped.add(owner)
        original = owner.__dict__["step"]
        if not callable(original):
            return False
        if not getattr(original, "hooked", None):
            # As Optimizer.__init__ does once for a class, to stay when the watch is over.
            original = Optimizer.profile_hook_step(original)
            original.hooked = True  # type: ignore[attr-defined]
            owner.step = original  # type: ignore[attr-defined]
        watches, recorder = self, self._recorder
        own = owner.__module__.startswith("torch.optim")

        @functools.wraps(original)
        def step(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
            if not recorder.here or not isinstance(self, Optimizer):
                return original(self, *args, **kwargs)
            return watches.around(self, original, own, args, kwargs)

        step.hooked = True  # type: ignore[attr-defined]
        self._patches.replace(owner, "step", step)
        return True

    def around(
        self,
        optimizer: Optimizer,
        step: Callable[..., Any],
        own: bool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Step, and record what moved."""
        recorder = self._recorder
        number = self.number(optimizer)
        movement = self._movements.setdefault(number, Movement(recorder))
        with recorder.counted(), recorder.guarded():
            if movement.steps < 3:
                recorder.names.look(recorder.places.frames())
            movement.before(optimizer)
        first = recorder.count
        made = self._run(optimizer, step, own, args, kwargs)
        recorder.hand_written = False
        with recorder.counted(), recorder.guarded():
            seen = movement.after(optimizer)
            recorder.add(
                *(Kind.step, type(optimizer).__name__),
                optimizer=number,
                variable=recorder.names.of_optimizer(optimizer),
                torch=own,
                first=first,
                code=_code(step),
                closure=_has_closure(args, kwargs),
                cached=weights_cached(),
                options=tuple(
                    {key: _plain(group[key]) for key in _OPTIONS if key in group}
                    for group in optimizer.param_groups
                ),
                lr=tuple(_plain(group.get("lr")) for group in optimizer.param_groups),
                **seen,
            )
        recorder.updated()
        self._stepped()
        return made

    def _run(
        self,
        optimizer: Optimizer,
        step: Callable[..., Any],
        own: bool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        recorder = self._recorder
        if not own:
            return step(optimizer, *args, **kwargs)
        if _has_closure(args, kwargs):
            closure = args[0] if args else kwargs["closure"]

            def aloud() -> Any:
                with recorder.aloud():
                    return closure()

            with recorder.hushed():
                return step(optimizer, aloud, *args[1:])
        plain = all(
            type(each) in (Tensor, nn.Parameter)
            for group in optimizer.param_groups
            for each in group["params"]
        )
        if not plain:
            with recorder.hushed():
                return step(optimizer, *args, **kwargs)
        # Thousands of operators of PyTorch's own: not even the mode is asked.
        with recorder.hushed(), torch._C.DisableTorchFunction():
            return step(optimizer, *args, **kwargs)


def _has_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return bool(args and args[0] is not None) or kwargs.get("closure") is not None


def _code(step: Callable[..., Any]) -> tuple[str, int]:
    """Return the file and line at which a step is defined."""
    code = getattr(inspect.unwrap(step), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else ("", 0)


def _plain(value: Any) -> Any:
    """Make a number of a learning rate that is a tensor; keep what is simple."""
    if isinstance(value, Tensor):
        with torch._C.DisableTorchFunction():
            return float(value) if value.numel() == 1 else None
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value if isinstance(value, (int, float, bool, str, type(None))) else str(value)


def _state_memory(optimizer: Optimizer) -> set[int]:
    return {
        memory(each)
        for state in optimizer.state.values()
        for each in tensors_in(state)
        if each.numel() > 1 or each.is_floating_point()
    } - {0}
