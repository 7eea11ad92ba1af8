"""Functions that run other functions: custom ones, checkpoints, compiled ones, transforms."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from gradbench.diagnosis.observe.checkpoints import checkpointed
from gradbench.diagnosis.observe.fingerprint import fingerprint
from gradbench.diagnosis.observe.function_lines import lines_of
from gradbench.diagnosis.observe.patches import Patches
from gradbench.diagnosis.observe.places import decorated_line
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import memory, tensors_in
from gradbench.diagnosis.timeline import Kind


def watch_functions(recorder: Recorder, patches: Patches) -> None:
    """Replace what applies custom functions, checkpoints and transforms.

    Args:
        recorder: Where events go.
        patches: Where the replacements are kept.
    """
    apply = vars(torch.autograd.Function)["apply"].__func__
    patches.replace(torch.autograd.Function, "apply", classmethod(_applied(recorder, apply)))
    module = torch.utils.checkpoint
    checkpoint = checkpointed(recorder, module.checkpoint)
    patches.replace_everywhere(module, "checkpoint", checkpoint)
    patches.replace_everywhere(torch, "compile", _compiled(recorder, patches, torch.compile))
    for name in ("grad", "grad_and_value", "jacrev", "hessian"):
        original = getattr(torch.func, name)
        patches.replace_everywhere(torch.func, name, _functional(recorder, name, original))
    for name in ("save", "load"):
        patches.replace(torch, name, _file(recorder, name, getattr(torch, name)))
    for name in ("from_numpy", "frombuffer"):
        original = getattr(torch, name)
        patches.replace_everywhere(torch, name, _made_of_values(recorder, name, original))
    mode = torch.inference_mode
    patches.replace(mode, "__enter__", _inference(recorder, True, mode.__enter__))
    patches.replace(mode, "__exit__", _inference(recorder, False, mode.__exit__))


def _applied(recorder: Recorder, original: Any) -> Any:
    """Watch a custom Function: what it saved, wrote, and kept beside the graph."""

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if not recorder.here:
            return original(cls, *args, **kwargs)
        given = list(tensors_in(args))
        versions = [-1 if each.is_inference() else each._version for each in given]
        nodes = [each.grad_fn for each in given]
        made = original(cls, *args, **kwargs)
        results = list(tensors_in(made))
        node = next((each.grad_fn for each in results if each.grad_fn is not None), None)
        unmarked = [
            recorder.number(each)
            for each, version, before in zip(given, versions, nodes, strict=True)
            if version >= 0 and each._version != version and each.grad_fn is before
        ]
        kept, intermediate = [], 0
        if node is not None and hasattr(node, "_forward_cls"):
            kept = [
                (key, recorder.number(each), _version(each), fingerprint(each))
                for key, each in vars(node).items()
                if isinstance(each, Tensor)
            ]
            intermediate = _intermediate(node, given, results)
        index = recorder.add(
            *(Kind.function, cls.__name__, given, results),
            out_live=any(each.requires_grad for each in results),
            module=cls.__module__,
            kept=tuple((key, number, version) for key, number, version, _ in kept),
            lines=lines_of(cls, tuple(key for key, *_ in kept)),
            unmarked=tuple(unmarked),
            intermediate=intermediate,
        )
        if node is not None:
            recorder.graph.reached(node, index)
            if kept:
                _ask_at_backward(recorder, node, kept, index)
        return made

    return apply


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else int(tensor._version)


def _intermediate(node: Any, given: list[Tensor], results: list[Tensor]) -> int:
    """Count saved tensors of real numbers that are neither an input nor a result."""
    try:
        with torch._C.DisableTorchFunction():
            saved = [each for each in node.saved_tensors if isinstance(each, Tensor)]
            known = {memory(each) for each in (*given, *results)}
            return sum(
                each.is_floating_point() and each.numel() > 0 and memory(each) not in known
                for each in saved
            )
    except (RuntimeError, AttributeError):
        return 0


def _ask_at_backward(recorder: Recorder, node: Any, kept: list[Any], index: int) -> None:
    """Have the node say, when backward reaches it, whether what it kept has changed."""
    tensors = [(key, weakref.ref(recorder.tensor(number)), contents)
               for key, number, _, contents in kept
               if recorder.tensor(number) is not None]  # fmt: skip

    def look(arriving: tuple[Tensor | None, ...]) -> None:
        for key, reference, contents in tensors:
            tensor = reference()
            if tensor is None or contents is None or fingerprint(tensor) == contents:
                continue
            recorder.add(
                *(Kind.changed, "attribute of ctx", (tensor,)),
                operator=index,
                tensor=recorder.number(tensor),
                leaf=recorder.number(tensor)
                if recorder.know(tensor).leaf
                else recorder.leaf_of_memory(tensor),
                attribute=key,
                versions=(-1, -1),
                refused=False,
            )

    node.register_prehook(look)


def _compiled(recorder: Recorder, patches: Patches, original: Any) -> Any:
    """Watch what torch.compile returns, at its edges."""

    @functools.wraps(original)
    def compile_(model: Any = None, *args: Any, **kwargs: Any) -> Any:
        made = original(model, *args, **kwargs)
        if model is None or not recorder.here:
            return made
        recorder.unseen.setdefault("what runs inside of compiled code is seen at its edges only")
        if isinstance(made, nn.Module):
            forward = made.forward
            made.forward = _edge(recorder, forward, model if isinstance(model, nn.Module) else None)
            patches.undone_by(lambda: setattr(made, "forward", forward))
            return made
        owner = getattr(model, "__self__", None)
        return _edge(recorder, made, owner if isinstance(owner, nn.Module) else None)

    return compile_


@contextmanager
def _unwatched() -> Iterator[None]:
    """Take the function mode away: a compiler would trace it."""
    with torch.overrides._pop_mode_temporarily():
        yield


def _edge(recorder: Recorder, function: Callable[..., Any], module: nn.Module | None) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not recorder.here or not torch.overrides._get_current_function_mode_stack():
            return function(*args, **kwargs)
        with recorder.hushed(), _unwatched():
            made = function(*args, **kwargs)
        given = [*tensors_in((args, kwargs), 4)]
        if module is not None:
            given += list(module.parameters())
        results = list(tensors_in(made))
        live = any(each.requires_grad for each in results)
        index = recorder.add(
            Kind.compiled, getattr(function, "__name__", "compiled"), given, results, out_live=live
        )
        for each in results:
            if each.grad_fn is not None:
                recorder.graph.reached(each.grad_fn, index)
        return made

    return call


def _functional(recorder: Recorder, name: str, original: Any) -> Any:
    @functools.wraps(original)
    def transform(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)

        @functools.wraps(made)
        def call(*inner: Any, **named: Any) -> Any:
            result = made(*inner, **named)
            if recorder.here:
                given, results = list(tensors_in((inner, named), 4)), list(tensors_in(result))
                live = any(each.requires_grad for each in results)
                recorder.add(Kind.functional, name, given, results, out_live=live)
            return result

        return call

    return transform


def _made_of_values(recorder: Recorder, name: str, original: Any) -> Any:
    """Watch what makes a tensor of an array: PyTorch tells no function mode of it."""

    @functools.wraps(original)
    def make(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        if recorder.here:
            recorder.add(Kind.op, name, (), (made,), out_live=made.requires_grad, callers=False)
        return made

    return make


def _file(recorder: Recorder, name: str, original: Any) -> Any:
    @functools.wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if not recorder.here:
            return original(*args, **kwargs)
        with recorder.hushed():
            made = original(*args, **kwargs)
        saved = list(tensors_in(args[:1], 4)) if name == "save" else list(tensors_in(made, 4))
        with torch._C.DisableTorchFunction():
            had = [each for each in saved if each.is_leaf and each.grad is not None]
        detail: dict[str, Any] = {"with_gradient": tuple(map(recorder.number, had))}
        if name == "save":
            recorder.add(Kind.file, name, saved[:256], (), **detail)
        else:
            recorder.add(Kind.file, name, (), saved[:256], **detail)
        return made

    return watched


def _inference(recorder: Recorder, entering: bool, original: Any) -> Any:
    @functools.wraps(original)
    def watched(self: Any, *args: Any) -> Any:
        before = torch.is_inference_mode_enabled()
        made = original(self, *args)
        if recorder.here:
            now = torch.is_inference_mode_enabled()
            recorder.add(
                *(Kind.grad_mode, "inference_mode"),
                callers=False,
                value=not now,
                before=not before,
                decorated=decorated_line(),
            )
        return made

    return watched
