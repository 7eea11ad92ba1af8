"""Do all implementations of an optimizer do the same thing, and only that?

torch.optim carries out each optimizer in several ways: `for_loop`, which updates one tensor after
another; `foreach`, on lists of tensors; `fused`, in one kernel; `capturable`, safe inside a CUDA
graph; `differentiable`, which autograd can follow; and any of them can be compiled. The
documentation describes one algorithm and presents the rest as faster ways to the same result. This
experiment holds them to that. Nothing below names an optimizer: they are listed from torch.optim,
their options and the values to try are read from their signatures; where gradbench has written the
documented algorithm down apart from torch.optim, the for-loop is held to that. Each meets

- every on/off combination of its flags and of the numbers that are zero by default (momentum,
  nesterov, weight decay, amsgrad, maximize, …), the other numbers one at a time, and tensors where
  the signature allows them;
- two steps and eight, gradients of one and of varying magnitude, and a state that is saved and
  restored halfway;
- matrices, vectors, scalars, empty tensors, many tensors, parameter groups that differ in every
  option; parameters and gradients that are transposed, strided, channels_last, expanded, misaligned
  or slices of a larger tensor; sparse and conjugated gradients; lists of mixed types; gradients
  that are None always, at first or later; small, zero and non-finite gradients;
- float32, float64, bfloat16, float16 and complex64.

After every step these must hold, for the for-loop itself too:

    outside      nothing beside the parameter is written (it lies in a larger, guarded storage)
    unwritten    every element that the for-loop moves is moved
    gradient     .grad is the same tensor with the same bits
    absent       a parameter whose .grad is None stays, and so does its state
    options      a tensor passed as hyperparameter keeps its value
    raises       no exception where the for-loop has none, but for a refusal before the first step
    values       parameters are within rounding of the same optimizer's for-loop in float64
    state        so is the optimizer's state
    definition   the float64 for-loop is what is documented (`gradbench.parity.definitions`)
    state_kind   the state has the for-loop's names, shapes, types, strides and devices
    version      a parameter that moved has a new version, by which autograd notices

How far rounding may go is counted and measured, not guessed (`gradbench.parity.truth`); beyond it
an implementation is blamed only for more than twice the error of the for-loop in the same type.

Verdicts. After the findings, one row per optimizer, implementation and type: `as_documented` if
every case agrees or is refused by torch.optim's own check, `skipped` if none could run here (the
message says why), `defect` if a case fails a check. Each finding is one row, always `defect`:
cases that fail for the same reason count once, reduced to the smallest that still does, with a
script to paste in the column `reproduction`. Each script is run here, and the row says if it does
not show the defect.

Compilation costs seconds, so `compiled` is tried on four vectors in float32 with two sets of
options, by the backend aot_eager: torch.compile's own tracing, without generated C++.
`thorough: true` tries every layout in every type, with options that meet pairwise.

Sources: https://docs.pytorch.org/docs/stable/optim.html#algorithms and each optimizer's page; the
findings that others reported first carry the number of the issue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gradbench.observing.alive import DeviceLost
from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.script import main
from gradbench.parity.catalogue import Entry, catalogue
from gradbench.parity.checks import Outcome
from gradbench.parity.findings import CONSEQUENCES, Finding, merge
from gradbench.parity.hunt import Tally, hunt
from gradbench.parity.known import source_of
from gradbench.parity.reproduction import reproduce, script

PAGE = "https://docs.pytorch.org/docs/stable/optim.html#algorithms"


@dataclass(frozen=True, kw_only=True)
class Parity(Observation):
    """What came of an optimizer's implementation, or a finding.

    Args:
        optimizer: Optimizers of torch.optim, comma-separated.
        implementation: How it was carried out.
        options: Keywords of the smallest case of a finding.
        layout: Parameters and gradients of the smallest case of a finding.
        check: The check that a finding fails.
        cases: Cases tried, or that a finding shows in.
        cases_agreeing: Cases in which every check holds.
        cases_refused: Cases that PyTorch refused.
        max_ulp_error: Largest error of a parameter: of the cases that agree, or of a finding.
        elsewhere: Where a finding shows, one ``optimizer implementation type layout`` a line.
        reproduction: The smallest case of a finding, to be pasted.
        consequence: What follows from a finding.
    """

    optimizer: str
    implementation: str
    options: str | None = None
    layout: str | None = None
    check: str | None = None
    cases: int
    cases_agreeing: int | None = None
    cases_refused: int | None = None
    max_ulp_error: float | None = None
    elsewhere: str | None = None
    reproduction: str | None = None
    consequence: str | None = None


def observe(device: torch.device, thorough: bool = False) -> Iterator[Observation]:
    """Compare every implementation of every optimizer of torch.optim with its float64 for-loop."""
    lost: DeviceLost | None = None
    findings: list[Finding] = []
    summaries: list[Observation] = []
    entries = {entry.name: entry for entry in catalogue()}
    for entry in entries.values():
        try:
            seen = hunt(entry, device, thorough)
        except DeviceLost as error:  # what the optimizers before it showed holds
            lost = error
            break
        except Exception as error:  # the other optimizers go on
            yield broke(entry, error)
            continue
        findings += seen.findings
        summaries += [
            summary(entry, implementation, dtype, tally)
            for (implementation, dtype), tally in seen.tallies.items()
        ]
    for finding in merge(findings):
        entry = entries[finding.case.optimizer]
        try:
            row = defect(entry, finding, device, lost is None)
        except DeviceLost as error:  # by the script; the finding was made before
            lost = error
            row = defect(entry, finding, device, False)
        yield row
    yield from summaries
    if lost is not None:
        raise lost


def summary(entry: Entry, implementation: str, dtype: torch.dtype, tally: Tally) -> Observation:
    """Sum up the cases of one optimizer, implementation and type."""
    counts = tally.counts
    if counts[Outcome.deviates]:
        verdict = Verdict.defect
    elif counts[Outcome.agrees] or tally.documented:
        verdict = Verdict.as_documented
    else:
        verdict = Verdict.skipped
    refused = [f"{times} ×: {said}" for said, times in tally.messages.most_common(3)]
    name = str(dtype).removeprefix("torch.")
    return Parity(
        case=f"{entry.name}, {implementation}, {name}",
        dtype=name,
        expected="every check holds, or a refusal",
        outcome=", ".join(f"{counts[kind]} {kind.value}" for kind in Outcome if counts[kind]),
        verdict=verdict,
        message="\n".join(refused) or None,
        version_delta=tally.version_delta,
        source=PAGE,
        optimizer=entry.name,
        implementation=implementation,
        cases=counts.total(),
        cases_agreeing=counts[Outcome.agrees],
        cases_refused=counts[Outcome.refused],
        max_ulp_error=tally.ulps if counts[Outcome.agrees] else None,
    )


def defect(entry: Entry, finding: Finding, device: torch.device, run: bool = True) -> Observation:
    """Tell of a finding and, with ``run``, see whether the script that reproduces it does."""
    case, failure = finding.case, finding.failure
    text, shown = script(entry, case, failure, device), False
    if run:
        text, shown = reproduce(entry, case, failure, device)
    optimizers, where = ", ".join(sorted(finding.optimizers)), sorted(finding.implementations)
    options = ", ".join(f"{name}={value!r}" for name, value in case.options if name != "lr")
    layout = "; ".join(dict.fromkeys(map(str, case.members)))
    told = [failure.detail, CONSEQUENCES[failure.check]]
    told.append(f"Types: {', '.join(sorted(finding.dtypes))}; cases: {len(finding.places)}.")
    if not run:
        told.append("The script was not run to its end: the device was lost.")
    elif not shown:
        told.append("The script that should reproduce it does not.")
    return Parity(
        case=f"finding: {failure.check}, {'/'.join(where)}, {optimizers}({options}), {layout}, "
        f"{'/'.join(sorted(finding.dtypes))}",
        dtype=str(case.dtype).removeprefix("torch."),
        expected=EXPECTED[failure.check],
        outcome=failure.detail,
        verdict=Verdict.defect,
        message="\n".join(told[1:]),
        version_delta=finding.version_delta,
        source=source_of(case, failure.check) or PAGE,
        optimizer=optimizers,
        implementation=", ".join(where),
        options=options,
        layout=layout,
        check=failure.check,
        cases=len(finding.places),
        max_ulp_error=failure.ulps,
        elsewhere="\n".join(sorted(finding.places)),
        reproduction=text,
        consequence=CONSEQUENCES[failure.check],
    )


def broke(entry: Entry, error: Exception) -> Observation:
    """Tell of an optimizer that the hunt itself could not deal with."""
    return Parity(
        case=f"{entry.name}, every implementation",
        expected="runs",
        outcome="broke",
        verdict=Verdict.failed,
        message=f"{type(error).__name__}: {error}",
        optimizer=entry.name,
        implementation="",
        cases=0,
    )


EXPECTED = {
    "outside": "nothing beside the parameter is written",
    "unwritten": "every element is updated",
    "gradient": ".grad is left alone",
    "absent": "a parameter without gradient stays as it is",
    "options": "hyperparameters are left alone",
    "raises": "no exception",
    "values": "the parameter of the float64 for-loop, within rounding",
    "state": "the state of the float64 for-loop, within rounding",
    "definition": "the documented algorithm, within rounding",
    "state_kind": "state of the for-loop's names, shapes, types and strides",
    "version": "a new version for a parameter that moved",
}


if __name__ == "__main__":
    main(observe)
