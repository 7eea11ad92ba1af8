"""Every optimizer on every implementation, option, layout and type: what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch

from gradbench.parity.cases import LONG, Case, Member
from gradbench.parity.catalogue import COMPILED, Entry
from gradbench.parity.checks import Failure, Judge, Judgement, Outcome
from gradbench.parity.findings import Finding, explain, symptoms
from gradbench.parity.layouts import MIXED, large, layouts
from gradbench.parity.minimise import PLAIN, TYPES
from gradbench.parity.options import Options, base, combined, full, pairwise

LAID_OUT = (torch.float32, torch.bfloat16)
"""Types in which every layout is tried: one of full and one of low precision."""


@dataclass
class Tally:
    """How the cases of one optimizer, implementation and type ended.

    Args:
        counts: Of each outcome.
        ulps: Largest error of a parameter among the cases that agree.
        messages: What refused cases said, with the number of times.
        documented: Whether torch.optim itself raised every refusal.
        version_delta: Change of the version counter in the first case that took a step.
    """

    counts: Counter[Outcome] = field(default_factory=Counter)
    ulps: float = 0.0
    messages: Counter[str] = field(default_factory=Counter)
    documented: bool = True
    version_delta: int | None = None

    def add(self, judgement: Judgement) -> None:
        """Count a case."""
        self.counts[judgement.outcome] += 1
        if judgement.outcome is Outcome.agrees:
            self.ulps = max(self.ulps, judgement.ulps)
        if judgement.outcome is Outcome.refused and judgement.refusal:
            self.messages[judgement.refusal.message] += 1
            self.documented &= judgement.refusal.documented
        if self.version_delta is None:
            self.version_delta = judgement.version_delta


@dataclass(frozen=True)
class Hunt:
    """What came of one optimizer.

    Args:
        entry: The optimizer.
        tallies: By implementation and type.
        findings: Defects, each with its smallest case.
    """

    entry: Entry
    tallies: dict[tuple[str, torch.dtype], Tally]
    findings: list[Finding]


def hunt(entry: Entry, device: torch.device, thorough: bool = False) -> Hunt:
    """Carry out every case of an optimizer and explain those that fail.

    Args:
        entry: The optimizer.
        device: Where.
        thorough: Whether every layout is tried in every type and with pairwise options.

    Returns:
        Counts and findings.
    """
    judge = Judge(entry, device)
    tallies: dict[tuple[str, torch.dtype], Tally] = {}
    failing: list[tuple[Case, Failure]] = []
    threads = torch.get_num_threads()
    try:
        for case in cases(entry, thorough):
            # Threads cost small tensors time and change nothing; large ones are cut up for them.
            torch.set_num_threads(threads if case.layout in large() else 1)
            judgement = judge.judge(case)
            key = (case.implementation, case.dtype)
            tallies.setdefault(key, Tally()).add(judgement)
            failing += [(case, failure) for failure in symptoms(judgement)]
        return Hunt(entry, tallies, explain(judge, failing))
    finally:
        torch.set_num_threads(threads)


def cases(entry: Entry, thorough: bool = False) -> Iterator[Case]:
    """List the cases of an optimizer, plainest first.

    All options on plain matrices in every type (their numbers varied in the precise ones); every
    layout in ``LAID_OUT`` with as many options as combine, in float32 with none too, and eight
    steps of every option on one small matrix, with gradients of much the same and of varying
    magnitude, and a few with sparse gradients or restored from a state_dict; compilation, which
    takes seconds, once with the plain options and once with as many as combine. An optimizer that
    needs a closure looks for its own gradients until it is satisfied, which rounding decides: it is
    held to its float64 path only.
    """
    types = (torch.float64,) if entry.closure else TYPES
    pairs = pairwise(entry)
    few = pairs if thorough else list(dict.fromkeys([base(entry), max(pairs, key=len)]))
    for dtype in types:
        lists = layouts(dtype)
        precise = dtype in (torch.float32, torch.float64)
        sets = full(entry) if thorough or precise else combined(entry)
        sets = [base(entry)] if entry.closure else sets
        tried = [(PLAIN, options) for options in sets]
        everything = thorough or entry.closure or dtype in LAID_OUT
        names = [name for name in lists if name != PLAIN and (everything or "gradients" in name)]
        if entry.closure:  # one vector of all parameters has one type
            names.remove(MIXED)
        rows = few if thorough or dtype == torch.float32 or dtype.is_complex else few[-1:]
        tried += [(name, options) for options in rows for name in names]
        for layout, options in tried:
            for implementation in entry.implementations():
                if implementation == COMPILED and not _compiled(dtype, layout, options in few):
                    continue
                yield Case(entry.name, implementation, options, dtype, layout, lists[layout])
    if not entry.closure:  # groups that differ in the options which do not combine, too
        name, listed = "parameter groups", layouts(types[0])["parameter groups"]
        for options in (row for row in pairs if row not in few):
            for implementation in entry.implementations():
                if implementation != COMPILED:
                    yield Case(entry.name, implementation, options, types[0], name, listed)
    for options, name, listed, restored in _long(entry, list(dict.fromkeys([*few, *pairs]))):
        for implementation in entry.implementations():
            if implementation != COMPILED:
                case = Case(entry.name, implementation, options, types[0], name, listed, LONG)
                yield replace(case, restored=restored)
    if not entry.closure:
        for layout, members in large().items():
            for implementation in entry.implementations():
                if implementation != COMPILED:
                    yield Case(
                        entry.name, implementation, base(entry), torch.float32, layout, members
                    )


def _long(
    entry: Entry, pairs: list[Options]
) -> Iterator[tuple[Options, str, tuple[Member, ...], bool]]:
    """List the cases of eight steps: options, name, parameters, whether the state is restored."""
    plain, varying = (Member((3, 3)),), (Member((3, 3), values="varying"),)
    some = (True, False, True, False, False, True)
    sparse = (
        Member((3, 3), gradient="sparse"),
        Member((2, 3), 5, gradient="sparse", present=some),
    )
    sets = full(entry)
    yield from ((options, "eight steps", plain, False) for options in sets)
    if not entry.closure:
        yield from ((options, "eight steps, varying", varying, False) for options in sets)
        yield from ((options, "eight steps, sparse", sparse, False) for options in pairs)
        yield from ((options, "eight steps, restored", varying, True) for options in pairs)


def _compiled(dtype: torch.dtype, layout: str, few: bool) -> bool:
    return dtype == torch.float32 and layout == "vectors" and few
