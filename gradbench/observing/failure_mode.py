"""A way to lose a gradient: code that fails, its cure, and code that looks like it and is fine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from gradbench.observing.alive import alive
from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.pasteable import pasteable
from gradbench.observing.symptom import Probe, State, Symptom, examine


def anywhere(device: torch.device) -> str | None:
    """Say that nothing is missing on any device."""
    return None


@dataclass(frozen=True, kw_only=True)
class FailureMode:
    """A way to end up with a None, zero, stale, doubled, lost or wrong gradient or update.

    The three functions are plain PyTorch and need nothing but what their file imports. Their
    docstrings are the atlas's text: why the code fails, what the fix does, why the twin is fine.

    Args:
        title: The mode in a few words, code in backticks.
        broken: Code that fails; its name is the mode's.
        fix: What to write instead.
        twin: Code that looks like ``broken`` and is fine.
        state: What ``broken`` ends up with.
        says: Part of the error's text, or of the warning's; empty if it is silent.
        source: Who reports or documents it: a page, an issue; empty where we know of none.
        documented: PyTorch's documentation describes it.
        promise: What PyTorch's documentation promises and the silent failure breaks, if anything.
        missing: Returns what a device lacks to run this, or None.
        dtype: Type of the parameters.
    """

    title: str
    broken: Probe
    fix: Probe
    twin: Probe
    state: State
    says: str = ""
    source: str = ""
    documented: bool = False
    promise: str = ""
    missing: Callable[[torch.device], str | None] = anywhere
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.state is State.right or (self.state is State.error and not self.says):
            raise ValueError(f"{self.name}: a failure has a state, and an error a text")
        if self.promise and (self.documented or self.says):
            raise ValueError(f"{self.name}: a broken promise is neither documented nor announced")

    @property
    def name(self) -> str:
        """Name of the mode."""
        return str(self.broken.__name__)

    @property
    def topic(self) -> str:
        """Name of the file that describes it."""
        return Path(inspect.getfile(self.broken)).stem


@dataclass(frozen=True, kw_only=True)
class FailureObservation(Observation):
    """What became of one of the three pieces of code of a failure mode.

    Args:
        topic: What the mode is about: the name of its file.
        kind: ``broken``, ``fix`` or ``twin``.
        title: The mode in a few words.
        state: What the gradient or update was: right, none, zero, …
        why: Why the code fails, what the fix does, or why the twin is fine.
        promise: What PyTorch promises and the code shows broken; None where nothing.
        code: The code that ran, to be pasted.
    """

    topic: str
    kind: str
    title: str
    state: str | None
    why: str
    promise: str | None
    code: str


def observe_modes(modes: Iterable[FailureMode], device: torch.device) -> Iterator[Observation]:
    """Run the broken code, the fix and the twin of each mode, and judge what is seen.

    Broken code that shows another symptom than the mode's is ``refuted``. One that shows it is a
    ``defect`` if it is silent and PyTorch promises otherwise, ``as_documented`` if PyTorch's
    documentation describes it, and else ``confirmed``: people report it, and it is so. A fix or a
    twin is ``confirmed`` if it is right and silent, and else ``refuted``.

    Args:
        modes: Modes of failure.
        device: Where they run.

    Yields:
        Three observations for each mode: cases ``name``, ``name/fix`` and ``name/twin``.

    Raises:
        DeviceLost: The device is lost; what was seen last is not claimed.
    """
    for mode in modes:
        lacking = mode.missing(device)
        for kind in ("broken", "fix", "twin"):
            probe: Probe = getattr(mode, kind)
            with alive(device, f"{mode.name}, {kind}"):
                symptom = None if lacking else examine(probe, device)
            yield _observation(mode, kind, probe, symptom, lacking, device)


def _observation(
    mode: FailureMode,
    kind: str,
    probe: Probe,
    symptom: Symptom | None,
    lacking: str | None,
    device: torch.device,
) -> FailureObservation:
    """Judge one piece of code; without a symptom it could not run."""
    state, says = (mode.state, mode.says) if kind == "broken" else (State.right, "")
    verdict, outcome, message = Verdict.skipped, "skipped", lacking
    if symptom is not None and symptom.unsupported and state is not State.error:
        message = symptom.said
    elif symptom is not None:
        outcome, message = _describe(symptom.state, says, symptom.said), symptom.message
        seen = outcome == _describe(state, says, says)
        verdict = _verdict(mode if kind == "broken" else None, seen)
    return FailureObservation(
        case=mode.name if kind == "broken" else f"{mode.name}/{kind}",
        expected=_describe(state, says, says),
        outcome=outcome,
        verdict=verdict,
        message=message,
        source=mode.source,
        dtype=mode.dtype,
        topic=mode.topic,
        kind=kind,
        title=mode.title,
        state=symptom.state.value if symptom and verdict is not Verdict.skipped else None,
        why=inspect.getdoc(probe) or "",
        promise=(mode.promise or None) if kind == "broken" else None,
        code=pasteable(probe, device),
    )


def _verdict(mode: FailureMode | None, seen: bool) -> Verdict:
    """Judge code that did or did not show what is expected; a fix or twin belongs to no mode."""
    if not seen:
        return Verdict.refuted
    if mode is not None and mode.promise:
        return Verdict.defect
    return Verdict.as_documented if mode is not None and mode.documented else Verdict.confirmed


def _describe(state: State, says: str, said: str) -> str:
    """Put a symptom in words: ``none, silently``, ``none, with “not a leaf”``, ``error, …``."""
    if not said:
        return f"{state.value}, silently"
    known = bool(says) and says in said
    return f"{state.value}, with “{says}”" if known else f"{state.value}, unexpected"
