"""What is told of a watched program: its findings, what was watched, and what could not be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradbench.diagnosis.check_list import FAILED
from gradbench.diagnosis.finding import Finding, Severity
from gradbench.diagnosis.tell.json_safe import json_safe
from gradbench.diagnosis.tell.shown_path import shown_path, working_directory

if TYPE_CHECKING:
    import pandas as pd

_URGENCY = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is told of a watched program.

    Args:
        program: Path of the script, or a name.
        findings: What the checks found, in any order; they are kept the most urgent first. That a
            check failed is no finding of the program: it is moved to ``unseen``.
        steps: Updates that were watched.
        seconds: How long the program ran, watched, s.
        overhead: How many times as long as unwatched that was, at least: not all that the
            observation takes can be timed; 0 or NaN where unknown.
        watched: How many of what were watched, by their plural: ``parameters``, ``optimizers``,
            ``backward passes``.
        unseen: Sentences on what could not be seen.
        ended: Why the program was ended early; empty where it ran to its end.
        folder: The working directory: paths below it are told short.
    """

    program: str
    findings: tuple[Finding, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    overhead: float = 0.0
    watched: Mapping[str, int] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    ended: str = ""
    folder: str = field(default_factory=working_directory)

    def __post_init__(self) -> None:
        """Sort the findings by severity, then file and line; tell apart what failed."""
        findings = sorted(self.findings, key=_urgency)
        failed = [f"{f.message} ({f.place.file}:{f.place.line})" for f in findings if _failed(f)]
        found = tuple(finding for finding in findings if not _failed(finding))
        object.__setattr__(self, "findings", found)
        object.__setattr__(self, "unseen", (*self.unseen, *failed))

    def of(self, *severities: Severity) -> tuple[Finding, ...]:
        """Return the findings of some severities, the most urgent first."""
        return tuple(finding for finding in self.findings if finding.severity in severities)

    @property
    def alarming(self) -> tuple[Finding, ...]:
        """The errors and warnings: what makes the exit status 1."""
        return self.of(Severity.error, Severity.warning)

    def shown(self, file: str) -> str:
        """Return a file's path as it is told."""
        return shown_path(file, self.folder)

    def as_json(self) -> dict[str, Any]:
        """Return the report as what JSON can hold.

        Returns:
            ``findings``, ``steps``, ``seconds``, ``overhead``, ``program``, ``watched``,
            ``unseen`` and ``ended``.
        """
        return {
            "program": self.program,
            "findings": [self._as_json(finding) for finding in self.findings],
            "steps": self.steps,
            "seconds": json_safe(self.seconds),
            "overhead": json_safe(self.overhead),
            "watched": json_safe(self.watched),
            "unseen": list(self.unseen),
            "ended": self.ended,
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row for each finding; the columns are the keys of its JSON."""
        import pandas as pd  # here: nothing else that is told needs it

        rows = [self._as_json(finding) for finding in self.findings]
        return pd.DataFrame(rows, columns=_COLUMNS)

    def _as_json(self, finding: Finding) -> dict[str, Any]:
        values = (
            finding.check.id,
            finding.severity.value,
            finding.symptom,
            self.shown(finding.place.file),
            finding.place.line,
            [
                {"file": self.shown(a.place.file), "line": a.place.line, "role": a.role}
                for a in finding.also
            ],
            list(finding.parameters),
            finding.check.title,
            finding.message,
            finding.check.why,
            finding.fix,
            json_safe(finding.evidence),
            finding.atlas,
        )
        return dict(zip(_COLUMNS, values, strict=True))


_COLUMNS = [
    *("check", "severity", "symptom", "file", "line", "also", "parameters"),
    *("title", "message", "why", "fix", "evidence", "atlas"),
]


def _failed(finding: Finding) -> bool:
    return finding.check.id == FAILED.id


def _urgency(finding: Finding) -> tuple[int, str, int, str]:
    place = finding.place
    return _URGENCY[finding.severity], place.file, place.line, finding.check.id
