"""What a check found: a fact with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Severity(str, Enum):
    """How sure it is that something is amiss."""

    error = "error"
    warning = "warning"
    note = "note"


@dataclass(frozen=True)
class Place:
    """A line of a program.

    Args:
        file: Path of the file, absolute.
        line: Number of the line, from 1.
        function: Name of the function; ``<module>`` outside of all.
    """

    file: str
    line: int
    function: str = ""


@dataclass(frozen=True)
class Also:
    """Another line that a finding speaks of.

    Args:
        place: The line.
        role: What happened there, such as ``backward`` or ``optimizer built``.
    """

    place: Place
    role: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a check looks for, and what it says of it; the same for every finding.

    Args:
        id: Such as ``GB101``; never given to another check.
        title: The fault in a few words, code in backticks.
        severity: The usual severity of its findings.
        symptom: What becomes of the gradient or update: none, zero, stale, doubled, lost, wrong,
            moves, nan, error.
        why: Why it fails, in plain sentences.
        fix: Code to write instead, a few lines.
        atlas: Names of the atlas's failure modes that the check explains, most typical first.
        source: Where PyTorch documents it, or the issue that reports it.
        sure_after: Updates after which the check is sure; 0 needs none.
    """

    id: str
    title: str
    severity: Severity
    symptom: str
    why: str
    fix: str
    atlas: tuple[str, ...] = ()
    source: str = ""
    sure_after: int = 0

    def found(
        self,
        place: Place,
        message: str,
        *,
        parameters: tuple[str, ...] = (),
        also: tuple[Also, ...] = (),
        evidence: Mapping[str, Any] | None = None,
        severity: Severity | None = None,
        symptom: str = "",
        fix: str = "",
        atlas: str = "",
    ) -> Finding:
        """Make a finding of this check.

        Args:
            place: The line of the cause.
            message: What happened in this program, with names and numbers.
            parameters: Names of the parameters or tensors concerned.
            also: Other lines to show.
            evidence: What was measured.
            severity: If not the usual one.
            symptom: If not the usual one.
            fix: Code that fits this program better than the check's.
            atlas: The one mode of the atlas that this is, where several are possible.

        Returns:
            The finding.
        """
        return Finding(
            check=self,
            place=place,
            message=message,
            parameters=parameters,
            also=also,
            evidence=dict(evidence or {}),
            severity=severity or self.severity,
            symptom=symptom or self.symptom,
            fix=fix or self.fix,
            atlas=atlas or (self.atlas[0] if self.atlas else ""),
        )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A fault of a program, where it is, and what was measured of it.

    Args:
        check: The check that found it.
        place: The line of the cause.
        message: What happened, with names and numbers.
        parameters: Names of the parameters or tensors concerned.
        also: Other lines to show.
        evidence: What was measured, by name.
        severity: error, warning or note.
        symptom: What became of the gradient or update.
        fix: Code to write instead.
        atlas: Name of the failure mode in the atlas; empty where there is none.
    """

    check: Check
    place: Place
    message: str
    parameters: tuple[str, ...] = ()
    also: tuple[Also, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = Severity.warning
    symptom: str = ""
    fix: str = ""
    atlas: str = ""
