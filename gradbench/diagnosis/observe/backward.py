"""Backward passes: which leaves received a gradient, and where zeros and NaN were born."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from gradbench.diagnosis.observe.fingerprint import fingerprint, norm
from gradbench.diagnosis.observe.forward_values import first_nan
from gradbench.diagnosis.observe.graph import Birth, Born, nodes_of, sequence, watch_nodes
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import memory, overlap, tensors_in
from gradbench.diagnosis.timeline import Kind

WATCHED = 3
"""Backward passes from one line whose every node is watched."""

WALKED = 64
"""Backward passes from one line whose graph is walked to its leaves."""

_LOW = (torch.float16, torch.bfloat16)


class Backward:
    """Watches ``torch.autograd.backward``.

    Args:
        recorder: Where events go.
        mode: The function mode, to be in force while hooks of the program run.
    """

    def __init__(self, recorder: Recorder, mode: TorchFunctionMode) -> None:
        self._recorder = recorder
        self._mode = mode
        self._passes: Counter[Any] = Counter()
        self._running = False
        self._nan = 0

    def around(self, backward: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``torch.autograd.backward`` with a watch on it.

        Args:
            backward: The original.

        Returns:
            A function that does the same.
        """

        def watched(
            tensors: Any,
            grad_tensors: Any = None,
            retain_graph: bool | None = None,
            create_graph: bool = False,
            *args: Any,
            **kwargs: Any,
        ) -> None:
            def run() -> None:
                backward(tensors, grad_tensors, retain_graph, create_graph, *args, **kwargs)

            if self._running or not self._recorder.here:
                return run()
            self._watch(
                tuple(tensors_in(tensors)),
                run,
                retain_graph=bool(create_graph if retain_graph is None else retain_graph),
                create_graph=bool(create_graph),
            )

        return watched

    def _watch(self, roots: tuple[Tensor, ...], run: Callable[[], None], **detail: Any) -> None:
        recorder = self._recorder
        recorder.hand_update()
        before: dict[int, tuple[Any, ...]] = {}
        born, handles, reachable, start = Born(), [], None, recorder.count
        with recorder.counted(), recorder.guarded():
            line, _ = recorder.places.here()
            self._passes[line] += 1
            passes = self._passes[line]
            if passes <= WATCHED:
                recorder.names.look(recorder.places.frames())
            before = _gradients(recorder)
            if passes <= WALKED:
                nodes = nodes_of(roots)
                reachable = tuple(_leaves(recorder, nodes))
                if passes <= WATCHED:
                    handles = watch_nodes(nodes, recorder.graph, born, recorder.counted)
                if self._not_a_number(roots):
                    self._look_for_nan(nodes, born)
                del nodes
            start = recorder.count
        self._running = True
        try:
            run()
        except BaseException:
            failed = recorder.add(
                Kind.backward,
                "backward",
                roots,
                arrived=(),
                failed=True,
                reachable=reachable,
                first=start,
                roots=tuple(map(recorder.number, roots)),
                root_leaf=all(root.is_leaf for root in roots),
                **detail,
            )
            self._record_births(Kind.nonfinite, born.nonfinite, failed)
            raise
        finally:
            self._running = False
            for handle in handles:
                handle.remove()
        with recorder.counted(), recorder.guarded():
            self._record(roots, before, born, reachable, start, detail)

    def around_engine(self, engine: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call of autograd's engine with the mode in force, so that hooks are seen.

        Args:
            engine: The original.

        Returns:
            A function that does the same.
        """

        def run(*args: Any, **kwargs: Any) -> Any:
            if not self._recorder.here or self._mode in _get_current_function_mode_stack():
                return engine(*args, **kwargs)
            with self._mode:
                return engine(*args, **kwargs)

        return run

    def _record(
        self,
        roots: tuple[Tensor, ...],
        before: dict[int, tuple[Any, ...]],
        born: Born,
        reachable: tuple[int, ...] | None,
        start: int,
        detail: dict[str, Any],
    ) -> None:
        recorder = self._recorder
        arrived, fresh, norms, stuck = [], [], [], []
        pointers: dict[int, list[tuple[int, Tensor]]] = {}
        shared: set[int] = set()
        with torch._C.DisableTorchFunction():
            for number, leaf in recorder.living_leaves():
                if not leaf.requires_grad or not leaf.is_leaf:
                    continue
                gradient = leaf.grad
                was = before.get(number)
                if gradient is None:
                    continue
                if was is not None and was[0] is gradient and was[1] == _version(gradient):
                    continue
                arrived.append(number)
                if was is None:
                    fresh.append(number)
                elif was[2] is not None and was[2] == fingerprint(gradient):
                    stuck.append(number)
                norms.append(norm(gradient))
                known = recorder.know(gradient)
                known.of, known.role = number, "gradient"
                for other, held in pointers.setdefault(memory(gradient), []):
                    if gradient.layout == torch.strided and overlap(held, gradient):
                        shared.update((other, number))
                pointers[memory(gradient)].append((number, gradient))
        used = {
            number
            for event in recorder.since(start)
            if event.kind is Kind.clear
            for number in event.detail["cleared"]
        }
        value = None
        if len(roots) == 1 and roots[0].numel() == 1 and roots[0].is_floating_point():
            with torch._C.DisableTorchFunction():
                value = float(roots[0].detach())
        index = recorder.add(
            *(Kind.backward, "backward", roots),
            roots=tuple(map(recorder.number, roots)),
            root_leaf=all(root.is_leaf for root in roots),
            failed=False,
            value=value,
            first=start,
            reachable=reachable,
            arrived=(*arrived, *sorted(used - set(arrived))),
            fresh=tuple(fresh),
            norms=tuple(norms),
            zero=tuple(n for n, length in zip(arrived, norms, strict=True) if length == 0.0),
            nonfinite=tuple(
                n
                for n, length in zip(arrived, norms, strict=True)
                if length != length or length == float("inf")
            ),
            stuck=tuple(stuck),
            shared=tuple(sorted(shared)),
            low=tuple(n for n, _ in self._low(arrived)),
            **detail,
        )
        recorder.differentiated.update(arrived)
        self._record_births(Kind.vanished, born.vanished, index)
        self._record_births(Kind.nonfinite, born.nonfinite, index)

    def _not_a_number(self, roots: tuple[Tensor, ...]) -> bool:
        """Say whether a loss is NaN, the first times that one is."""
        if len(roots) != 1 or roots[0].numel() != 1 or not roots[0].is_floating_point():
            return False
        with torch._C.DisableTorchFunction():
            value = float(roots[0].detach())
        self._nan += value != value
        return value != value and self._nan <= WATCHED

    def _look_for_nan(self, nodes: Iterable[Any], born: Born) -> None:
        found = first_nan(nodes)
        if found is not None:
            node, number = found
            event = self._recorder.graph.event_of(node)
            born.nonfinite.append(Birth(node.name(), event, (), (), forward=True, tensor=number))

    def _low(self, numbers: Iterable[int]) -> Iterable[tuple[int, Tensor]]:
        for number in numbers:
            leaf = self._recorder.tensor(number)
            if leaf is not None and leaf.dtype in _LOW:
                yield number, leaf

    def _record_births(self, kind: Kind, births: list[Birth], backward: int) -> None:
        """Record each birth at the line of the operator that made the node."""
        recorder = self._recorder
        for order, birth in enumerate(births[:200]):
            index = birth.event
            operator = recorder.event(index) if index is not None else None
            if operator is None:
                continue
            recorder.events.append(
                operator._replace(
                    index=recorder.count,
                    step=recorder.step,
                    kind=kind,
                    name=birth.node,
                    detail={
                        "operator": index,
                        "operator_name": operator.name,
                        "backward": backward,
                        "order": order,
                        "hit": birth.hit,
                        "present": birth.present,
                        "masked": birth.masked,
                        "forward": birth.forward,
                        "tensor": birth.tensor,
                        **operator.detail,
                    },
                )
            )
            recorder.count += 1


def _gradients(recorder: Recorder) -> dict[int, tuple[Any, ...]]:
    """Return each leaf's gradient, its version, and for low precision its fingerprint."""
    found: dict[int, tuple[Any, ...]] = {}
    with torch._C.DisableTorchFunction():
        for number, leaf in recorder.living_leaves():
            if leaf.is_leaf and leaf.grad is not None:
                low = leaf.grad.dtype in _LOW
                contents = fingerprint(leaf.grad) if low else None
                found[number] = (leaf.grad, _version(leaf.grad), contents)
    return found


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else int(tensor._version)


def _leaves(recorder: Recorder, nodes: Iterable[Any]) -> Iterable[int]:
    """Yield the leaves that the nodes of a graph lead to."""
    for node in nodes:
        if sequence(node) is None:
            variable = getattr(node, "variable", None)
            if isinstance(variable, Tensor):
                yield recorder.number(variable)
