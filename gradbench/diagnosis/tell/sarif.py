"""A report as SARIF 2.1.0, which code hosts and editors show beside the code.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

import hashlib
import linecache
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.tell.json_safe import json_safe
from gradbench.diagnosis.tell.report import Report
from gradbench.diagnosis.tell.rule_help import DOCUMENTATION, help_markdown, help_text
from gradbench.version import __version__

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "gradbenchFinding/v1"
"""Its number changes with what a fingerprint is made of."""

_BASE = "%SRCROOT%"
_LEVELS = {Severity.error: "error", Severity.warning: "warning", Severity.note: "note"}


def as_sarif(report: Report, checks: Sequence[Check] = ()) -> dict[str, Any]:
    """Write a report as SARIF.

    Args:
        report: What is told.
        checks: Checks that looked; those of the findings need not be among them.

    Returns:
        The log, as what JSON can hold.
    """
    rules = {check.id: check for check in (*checks, *(f.check for f in report.findings))}
    rules = dict(sorted(rules.items()))
    said = [report.ended] if report.ended else []
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "gradbench",
                "version": __version__,
                "informationUri": DOCUMENTATION,
                "rules": [_rule(check) for check in rules.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": "note", "message": {"text": sentence}}
                    for sentence in [*said, *report.unseen]
                ],
            }
        ],
        "results": _results(report, list(rules)),
        "properties": {
            "program": report.program,
            "steps": report.steps,
            "seconds": json_safe(report.seconds),
            "overhead": json_safe(report.overhead),
            "watched": json_safe(report.watched),
        },
    }
    if report.folder:
        folder = Path(report.folder).as_uri().rstrip("/") + "/"
        run["originalUriBaseIds"] = {_BASE: {"uri": folder}}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": check.why},
        "help": {"text": help_text(check), "markdown": help_markdown(check)},
        "helpUri": DOCUMENTATION,
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {
            "tags": ["pytorch", "gradient", *filter(None, [check.symptom])],
            "atlas": list(check.atlas),
            "source": check.source,
            "sureAfter": check.sure_after,
        },
    }


def _results(report: Report, rules: Sequence[str]) -> list[dict[str, Any]]:
    """Write the findings; those with the same fingerprint are numbered."""
    results: list[dict[str, Any]] = []
    seen: Counter[str] = Counter()
    for finding in report.findings:
        fingerprint = _fingerprint(report, finding)
        seen[fingerprint] += 1
        text = finding.message
        if finding.fix and finding.fix != finding.check.fix:
            text += f"\n\nWrite instead:\n{finding.fix}"
        results.append(
            {
                "ruleId": finding.check.id,
                "ruleIndex": rules.index(finding.check.id),
                "level": _LEVELS[finding.severity],
                "message": {"text": text},
                "locations": [_location(report, finding.place)],
                "relatedLocations": [
                    {
                        "id": number,
                        **_location(report, also.place),
                        "message": {"text": also.role},
                    }
                    for number, also in enumerate(finding.also, start=1)
                ],
                "partialFingerprints": {FINGERPRINT: f"{fingerprint}:{seen[fingerprint]}"},
                "properties": {
                    "symptom": finding.symptom,
                    "parameters": list(finding.parameters),
                    "evidence": json_safe(finding.evidence),
                    "atlas": finding.atlas,
                },
            }
        )
    return results


def _location(report: Report, place: Place) -> dict[str, Any]:
    """Write a place; a file below the working directory is relative to it."""
    shown = report.shown(place.file)
    artifact: Mapping[str, str]
    if Path(shown).is_absolute():
        artifact = {"uri": Path(shown).as_uri()}
    elif shown == place.file:  # no file at all, such as <stdin>
        artifact = {"uri": quote(os.fsencode(shown))}
    else:
        artifact = {"uri": quote(os.fsencode(shown)), "uriBaseId": _BASE}
    physical: dict[str, Any] = {"artifactLocation": artifact}
    if place.line >= 1:
        physical["region"] = {"startLine": place.line}
        source = linecache.getline(place.file, place.line).rstrip("\n")
        if source:
            physical["region"]["snippet"] = {"text": source}
    location: dict[str, Any] = {"physicalLocation": physical}
    if place.function not in ("", "<module>"):
        location["logicalLocations"] = [{"name": place.function, "kind": "function"}]
    return location


def _fingerprint(report: Report, finding: Finding) -> str:
    """Tell a finding from others by what stays when lines are added above it."""
    place = finding.place
    line = linecache.getline(place.file, place.line).strip() or str(place.line)
    parts = (finding.check.id, report.shown(place.file), line, *finding.parameters)
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]
