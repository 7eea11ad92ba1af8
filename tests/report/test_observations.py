import io
from typing import Any

import pytest
from rich.console import Console

from gradbench.observing.observation import Verdict
from gradbench.report.observations import (
    STYLES,
    by_urgency,
    counts,
    observation_summaries,
    observation_table,
)

Row = dict[str, Any]


def row(case: str, verdict: str = "confirmed", **given: Any) -> Row:
    return {
        "run": "r",
        "experiment": "e",
        "case": case,
        "device": "cpu",
        "host": "h",
        "torch_version": "2",
        "expected": "x",
        "outcome": "y",
        "verdict": verdict,
        "message": None,
        **given,
    }


def printed(*parts: Any, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    for part in parts:
        console.print(part)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_every_verdict_has_a_look_and_a_rank() -> None:
    assert set(STYLES) == {verdict.value for verdict in Verdict}
    rows = [row(verdict.value, verdict.value) for verdict in Verdict]
    first = [r["verdict"] for r in by_urgency(rows)][:3]
    assert first == ["failed", "defect", "refuted"]


def test_order_within_a_verdict_is_kept() -> None:
    rows = [row("b"), row("a", "defect"), row("a")]
    assert [(r["case"], r["verdict"]) for r in by_urgency(rows)] == [
        ("a", "defect"),
        ("b", "confirmed"),
        ("a", "confirmed"),
    ]
    assert counts(rows) == "1 defect, 2 confirmed"


@pytest.mark.parametrize("width", [60, 100])
def test_a_table_fits_and_loses_nothing(width: int) -> None:
    text = printed(
        observation_table("t", [row("[bold]case", message="long " * 50 + "end")]), width=width
    )
    assert max(map(len, text.splitlines())) <= width
    assert "[bold]" in text
    assert text.count("long") == 50
    assert "end" in text


def test_a_summary_shows_what_is_notable_and_counts_the_rest() -> None:
    rows = [row(f"bad{i}", "defect") for i in range(20)] + [row(f"fine{i}") for i in range(90)]
    rows += [row("gone", "skipped", message="no such device")] * 3
    text = printed(*observation_summaries(rows, most=5))
    assert "e · cpu: 20 defect, 90 confirmed, 3 skipped" in text
    assert "bad4" in text
    assert "bad5" not in text
    assert "15 more" in text
    assert "fine" not in text
    assert "3 × no such device" in text


def test_devices_are_summed_up_apart() -> None:
    rows = [row("a"), row("a", device="cuda")]
    assert len(observation_summaries(rows)) == 2
