"""Under which circumstances a prediction is made, where several were measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gradbench.predict.evidence import Evidence
from gradbench.predict.fit import LEAST_MODELS
from gradbench.results.selection import NARROWING, plain

_MACHINE = ("device", "device_name", "driver", "clock_hz", "host", "dtype", "rule")
"""Circumstances that are all predicted for, unless one is asked for."""

_OPTIONS = ("device", "dtype", "rule", "threads")
"""Those that ``predict`` has an option for."""


def choose(evidence: Sequence[Evidence]) -> Iterator[tuple[Evidence, tuple[Evidence, ...]]]:
    """Choose what to predict from: for each machine and type what most models were measured in.

    Of as many models, what was measured last. A machine whose every set of circumstances has too
    few models does not keep another one from its prediction.

    Args:
        evidence: One for each set of circumstances, one at least.

    Returns:
        What is chosen, each with what else there is of the same machine and type; where nothing
        has enough models, that with most.
    """
    machines: dict[tuple[str, ...], list[Evidence]] = {}
    for each in evidence:
        key = tuple(plain(each.circumstances[name]) for name in _MACHINE)
        machines.setdefault(key, []).append(each)
    ranked = [sorted(own, key=_worth, reverse=True) for own in machines.values()]
    usable = [own for own in ranked if own[0].models >= LEAST_MODELS]
    for first, *others in usable or [max(ranked, key=lambda own: _worth(own[0]))]:
        yield first, tuple(others)


def _worth(evidence: Evidence) -> tuple[int, str]:
    return evidence.models, evidence.recorded_at


def how_to_ask(wanted: Evidence, chosen: Evidence, results: str = "results") -> str:
    """Say how to ask for other circumstances than those chosen.

    Args:
        wanted: What to ask for.
        chosen: What is chosen unless one asks.
        results: Where the rows are.

    Returns:
        Options of ``predict``, such as ``--threads 1``.
    """
    options, narrowed = [], []
    for name, value in wanted.circumstances.items():
        if _same(value, chosen.circumstances[name]):
            continue
        if name in _OPTIONS:
            options.append(f"--{name} {plain(value)}")
        elif name in NARROWING:
            narrowed.append(f"{name}={plain(value)}")
    if narrowed:
        path, _, before = results.partition("@")
        options.append(f"--results '{path}@{','.join(filter(None, [before, *narrowed]))}'")
    return " ".join(options)


def _same(one: Any, other: Any) -> bool:
    return plain(one) == plain(other)
