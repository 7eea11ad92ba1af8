"""The report as SARIF: what its schema demands of the parts that are written."""

import json
import linecache
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.tell.report import Report
from gradbench.diagnosis.tell.sarif import FINGERPRINT, as_sarif

LEVELS = {"none", "note", "warning", "error"}
ALLOWED = {
    "log": {"$schema", "version", "runs"},
    "run": {
        *("tool", "columnKind", "invocations", "results", "properties", "originalUriBaseIds"),
    },
    "rule": {
        *("id", "shortDescription", "fullDescription", "help", "helpUri"),
        *("defaultConfiguration", "properties"),
    },
    "result": {
        *("ruleId", "ruleIndex", "level", "message", "locations", "relatedLocations"),
        *("partialFingerprints", "properties"),
    },
    "location": {"id", "physicalLocation", "logicalLocations", "message"},
}
"""Names of SARIF's that are used; the schema allows no others than its own."""


def check_location(location: dict[str, Any]) -> None:
    assert set(location) <= ALLOWED["location"]
    physical = location["physicalLocation"]
    uri = physical["artifactLocation"]["uri"]
    assert uri
    assert " " not in uri
    if "region" in physical:
        assert physical["region"]["startLine"] >= 1


def check_log(log: dict[str, Any]) -> None:
    assert set(log) == ALLOWED["log"]
    assert log["version"] == "2.1.0"
    for run in log["runs"]:
        assert set(run) <= ALLOWED["run"]
        driver = run["tool"]["driver"]
        assert driver["name"] == "gradbench"
        rules = driver["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        for rule in rules:
            assert set(rule) <= ALLOWED["rule"]
            assert rule["helpUri"].startswith("https://")
            assert rule["defaultConfiguration"]["level"] in LEVELS
            assert all(rule[name]["text"] for name in ("shortDescription", "help"))
        assert all(isinstance(each["executionSuccessful"], bool) for each in run["invocations"])
        for base in run.get("originalUriBaseIds", {}).values():
            assert base["uri"].startswith("file:///")
            assert base["uri"].endswith("/")
        for result in run["results"]:
            assert set(result) <= ALLOWED["result"]
            assert result["message"]["text"]
            assert result["level"] in LEVELS
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            for location in (*result["locations"], *result["relatedLocations"]):
                check_location(location)
            assert all(isinstance(v, str) for v in result["partialFingerprints"].values())


def test_the_log_is_sarif(report: Report) -> None:
    log = as_sarif(report)
    check_log(json.loads(json.dumps(log, allow_nan=False)))
    [first, second, third] = log["runs"][0]["results"]
    assert [each["level"] for each in (first, second, third)] == ["error", "warning", "note"]
    physical = first["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "train.py", "uriBaseId": "%SRCROOT%"}
    assert physical["region"]["startLine"] == 6
    assert "torch.tensor(parts)" in physical["region"]["snippet"]["text"]
    assert first["relatedLocations"][0]["message"]["text"] == "backward"


def test_places_without_a_file_stay_addresses(report: Report) -> None:
    places = [Place("<stdin>", 3), Place("/else where/ä.py", 1), Place(report.program, 0)]
    found = tuple(replace(report.findings[0], place=place) for place in places)
    log = as_sarif(replace(report, findings=found, folder=""))
    check_log(log)
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in log["runs"][0]["results"]
    }
    assert uris == {
        "%3Cstdin%3E",
        "file:///else%20where/%C3%A4.py",
        Path(report.program).as_uri(),
    }


def test_fingerprints_outlive_lines_added_above(report: Report) -> None:
    def fingerprints(told: Report) -> list[str]:
        results = as_sarif(told)["runs"][0]["results"]
        return [result["partialFingerprints"][FINGERPRINT] for result in results]

    before = fingerprints(report)
    assert len(set(before)) == len(before)
    twice = fingerprints(replace(report, findings=report.findings[:1] * 2))
    assert len(set(twice)) == 2
    moved = Path(report.folder) / "train.py"
    moved.write_text("# one more line\n" + moved.read_text())
    linecache.checkcache(str(moved))
    found = report.findings[0]
    later = replace(found, place=replace(found.place, line=found.place.line + 1))
    assert fingerprints(replace(report, findings=(later,))) == before[:1]
