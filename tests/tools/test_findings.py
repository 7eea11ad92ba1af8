import re
import subprocess
import sys
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from gradbench.report.markdown import escape
from gradbench.report.observations import LONG
from gradbench.results.store import Store
from tests.report.test_observations import row as bare
from tools.findings import findings_page

Row = dict[str, Any]


def row(case: str, verdict: str = "confirmed", **given: Any) -> Row:
    return bare(case, verdict, device_name="chip", recorded_at="2026-01-02T03:04:05", **given)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a | b", r"a \| b"),
        ("one\ntwo", "one<br>two"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("_foreach_add_ and set_to_none", r"\_foreach_add\_ and set_to_none"),
        ("w * *x* `y` [z](u) $a$", r"w \* \*x\* \`y\` \[z\](u) \$a\$"),
        (r"back\slash", r"back\\slash"),
        (None, ""),
        (0.123456, "0.123"),
        (2.0, "2"),
    ],
)
def test_text_stays_text_in_a_cell(text: object, cell: str) -> None:
    assert escape(text) == cell


def test_defects_come_first_then_refuted_claims() -> None:
    rows = [row("fine"), row("claim", "refuted"), row("bug", "defect"), row("dead", "failed")]
    page = findings_page(rows)
    places = [page.index(f"\n## {h}") for h in ("Experiments that broke", "Defects", "Refuted")]
    places += [page.index("\n## Experiment by"), len(page)]
    assert places == sorted(places)
    sections = [page[a:b] for a, b in pairwise(places)]
    for case, section in zip(("dead", "bug", "claim"), sections, strict=False):
        assert f"| {case} |" in section
        assert "| fine |" not in section
    assert page.count("| fine |") == 1
    assert page.count("| bug |") == 1
    assert "chip with torch 2, on 2026-01-02" in page.replace("\n", " ")


def test_a_trial_that_was_repeated_with_another_gradbench_counts_as_it_was_last() -> None:
    old = {"gradbench_version": "0.1.0", "recorded_at": "2026-01-01T00:00:00"}
    new = {"gradbench_version": "0.2.0", "recorded_at": "2026-01-03T00:00:00"}
    page = findings_page([row("again", "defect") | old, row("again") | new])
    assert "## Defects" not in page
    assert page.count("| again |") == 1


def test_a_page_without_defects_has_no_such_heading() -> None:
    assert "## Defects" not in findings_page([row("fine")])


def test_every_line_of_a_table_has_as_many_cells_as_its_head() -> None:
    rows = [row("a|b", "defect", message="x\ny | z"), row("c", speedup=1.5, version_delta=2.0)]
    lines = findings_page(rows).splitlines()
    tables = [list(table) for is_table, table in groupby(lines, lambda x: x[:1] == "|") if is_table]
    assert len(tables) == 3  # overview, defects, the other case
    for head, *body in tables:
        assert {re.sub(r"\\.", "", line).count("|") for line in body} == {head.count("|")}


def test_columns_that_an_experiment_adds_are_shown_where_they_are_known() -> None:
    page = findings_page([row("a", speedup=1.5), row("b", experiment="f")])
    section = {name: page[page.rindex(f"### `{name}`") :] for name in "ef"}
    assert "| speedup |" in section["e"].split("### `f`")[0]
    assert "speedup" not in section["f"]


def test_many_cases_are_counted_up() -> None:
    page = findings_page(
        [row(f"case{i}", outcome="old" if i % 3 else "new") for i in range(LONG + 1)]
    )
    assert "| confirmed | x | old | 40 | case1 |" in page
    assert "| confirmed | x | new | 21 | case0 |" in page


def test_of_repeated_trials_the_latest_counts() -> None:
    old = {**row("a", "defect"), "run": "z", "recorded_at": "2026-01-01T00:00:00"}
    page = findings_page([row("a"), old])
    assert "Defects" not in page


def page_of(*paths: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    command = [sys.executable, str(root / "tools" / "findings.py"), *map(str, paths)]
    return subprocess.run(
        command, cwd=cwd, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=60
    )


def test_the_page_is_written_from_stored_rows(tmp_path: Path) -> None:
    stored = {**row("a", "defect"), "experiment": "article", "version_delta": 1}
    Store(tmp_path / "r").write("observations", "x", [stored])
    answer = page_of("r", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "Does a weight update by hand make gradients zero" in answer.stdout
    assert "### Defects: `article` on cpu" in answer.stdout


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_nothing_to_write_is_refused_in_one_line(tmp_path: Path, path: str) -> None:
    answer = page_of(path, cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1


def test_a_figure_is_shown_with_its_interval() -> None:
    page = findings_page([row("a", speedup=1.5, speedup_low=1.25, speedup_high=1.75)])
    assert "| 1.5 (1.25 to 1.75) |" in page
    assert "speedup low" not in page


def test_sources_are_numbered_once() -> None:
    page = findings_page([row("a", source="A | b"), row("c"), row("d", source="A | b")])
    assert "1. A \\| b" in page
    assert page.count("A \\| b") == 1
    assert "| confirmed | a | x | y | 1 |" in page
    assert "| confirmed | c | x | y |  |" in page


def test_an_experiment_of_many_files_is_introduced_by_its_option() -> None:
    page = findings_page([row("a", experiment="failure_modes")])
    assert "An atlas of the ways to lose a gradient or an update" in page
