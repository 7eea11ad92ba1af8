"""Programs, run for a test as a person would run them, watched or not."""

import contextlib
import importlib.util
import io
import re
import runpy
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from gradbench.diagnosis.check_list import look_all
from gradbench.diagnosis.finding import Finding, Severity
from gradbench.diagnosis.observe.fingerprint import fingerprint
from gradbench.diagnosis.program import Outcome, run_program
from gradbench.diagnosis.timeline import OBSERVATION_FAILED
from gradbench.observing.failure_mode import FailureMode
from gradbench.observing.symptom import _global_state_restored
from gradbench.request.schema import experiments_folder

PROGRAMS = Path(__file__).parent / "programs"
STEPS = 8


@dataclass(frozen=True)
class Ran:
    """What became of a program that was watched.

    Args:
        outcome: The timeline, and what it raised.
        findings: What the checks found.
        updates: A fingerprint of every parameter and gradient after each step.
        printed: What the program printed.
    """

    outcome: Outcome
    findings: tuple[Finding, ...]
    updates: list[list[object]]
    printed: str

    @property
    def alarms(self) -> list[str]:
        """Errors and warnings, in words."""
        return [
            f"{finding.check.id} line {finding.place.line}: {finding.message}"
            for finding in self.findings
            if finding.severity is not Severity.note
        ]


class _Enough(BaseException):
    """Ends a program that is not watched after as many steps."""


@contextlib.contextmanager
def quietly() -> Iterator[io.StringIO]:
    """Catch what a program prints, and put torch's global state back after it."""
    out = io.StringIO()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny programs: two threads would wait for one another
    with (
        _global_state_restored(torch.device("cpu")),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        warnings.simplefilter("ignore")
        try:
            yield out
        finally:
            torch.set_num_threads(threads)


@contextlib.contextmanager
def _updates(stop: int | None) -> Iterator[list[list[object]]]:
    """Collect the state of an optimizer's parameters after each of its steps."""
    seen: list[list[object]] = []

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        with torch._C.DisableTorchFunction():
            seen.append(
                [
                    (fingerprint(each), each.stride(), _of_gradient(each))
                    for group in optimizer.param_groups
                    for each in group["params"]
                ]
            )
        if stop is not None and len(seen) >= stop:
            raise _Enough

    handle = register_optimizer_step_post_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


def _of_gradient(tensor: torch.Tensor) -> object:
    gradient = tensor.grad
    return None if gradient is None else (fingerprint(gradient), tuple(gradient.shape))


def watched(path: Path, steps: int | None = STEPS) -> Ran:
    """Run a program under observation, and put what it did to the checks."""
    with quietly() as out, _updates(None) as updates:
        outcome = run_program(str(path), steps=steps)
    failed = [each for each in outcome.timeline.unseen if each.startswith(OBSERVATION_FAILED)]
    assert not failed, failed
    return Ran(outcome, look_all(outcome.timeline), updates, out.getvalue())


def bare(path: Path, steps: int | None) -> tuple[list[list[object]], str]:
    """Run a program by itself; return its updates, and what it printed."""
    argv, search = sys.argv, list(sys.path)
    sys.argv = [str(path)]
    sys.path.insert(0, str(path.parent))
    try:
        with quietly() as out, _updates(steps) as updates, contextlib.suppress(_Enough):
            runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv, sys.path[:] = argv, search
    return updates, out.getvalue()


def causes(path: Path) -> tuple[set[int], list[str]]:
    """Return the lines at which a faulty program's cause is, and the words it is found by."""
    text = path.read_text(encoding="utf-8")
    lines = {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.rstrip().endswith("# cause")
    }
    words = re.search(r"^# symptom: \w+ \| words: (.*)$", text, re.MULTILINE)
    assert lines, path
    assert words, path
    return lines, [word.strip().lower() for word in words[1].split(",")]


def modes() -> list[FailureMode]:
    """Return the failure modes of the atlas."""
    found = []
    for file in sorted((experiments_folder() / "failure_modes").glob("*.py")):
        name = f"atlas_of_{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        found.extend(module.MODES)
    return found
