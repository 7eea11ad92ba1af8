"""Checkpointed segments, which run a second time inside of backward."""

from __future__ import annotations

import functools
from typing import Any

import torch

from gradbench.diagnosis.observe.fingerprint import fingerprint
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import tensors_in
from gradbench.diagnosis.timeline import Kind


def checkpointed(recorder: Recorder, original: Any) -> Any:
    """Watch a checkpointed segment: the state it found the first time, and when run again.

    Args:
        recorder: Where events go.
        original: ``torch.utils.checkpoint.checkpoint``.

    Returns:
        A function that does the same.
    """

    @functools.wraps(original)
    def checkpoint(function: Any, *args: Any, **kwargs: Any) -> Any:
        if not recorder.here:
            return original(function, *args, **kwargs)
        segment = recorder.count
        runs: list[dict[str, Any]] = []

        @functools.wraps(function, assigned=("__name__", "__doc__"))
        def run(*inner: Any, **named: Any) -> Any:
            first = recorder.count
            random = fingerprint(torch.get_rng_state())
            try:
                made = function(*inner, **named)
            except BaseException:
                # PyTorch ends the second run as soon as all is there that backward needs.
                if runs:
                    ran(inner, None, first, random)
                raise
            ran(inner, made, first, random)
            return made

        def ran(inner: Any, made: Any, first: int, random: int | None) -> None:
            events = recorder.since(first)
            used = {number for event in events for number in event.live} & set(recorder.leaves)
            drew = fingerprint(torch.get_rng_state()) != random
            runs.append({"random": random, "drew": drew})
            before = runs[0]
            again = len(runs) > 1
            if not again:
                before["leaves"] = {n: _contents(recorder, n) for n in used}
                before["statistics"] = any(
                    event.name == "batch_norm" and event.detail.get("training") for event in events
                )
            changed = tuple(
                number
                for number, contents in before["leaves"].items()
                if again and _contents(recorder, number) != contents
            )
            recorder.add(
                *(Kind.checkpoint, "checkpoint", list(tensors_in(inner)), list(tensors_in(made))),
                out_live=any(each.requires_grad for each in tensors_in(made)),
                segment=segment,
                again=again,
                changed=changed,
                used=tuple(sorted(used)),
                reentrant=kwargs.get("use_reentrant"),
                preserve=kwargs.get("preserve_rng_state", True),
                other_random=again and drew and random != before["random"],
                statistics=before["statistics"],
            )

        return original(run, *args, **kwargs)

    return checkpoint


def _contents(recorder: Recorder, number: int) -> int | None:
    tensor = recorder.tensor(number)
    return None if tensor is None else fingerprint(tensor)
