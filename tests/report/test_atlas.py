import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gradbench.report.atlas import atlas_page, atlas_table
from gradbench.results.store import Store
from tests.report.test_observations import row as bare

Row = dict[str, Any]
CODE = 'import torch\n\ndef f(device):\n    """Why."""\n\nprint(f(torch.device("cpu")))'


def mode(name: str, verdict: str = "confirmed", topic: str = "hooks", **given: Any) -> list[Row]:
    shared = {
        "experiment": "failure_modes",
        "device_name": "chip",
        "recorded_at": "2026-01-02T03:04:05",
        "topic": topic,
        "title": f"`{name}` is | lost",
        "code": CODE,
        "promise": None,
        "source": "",
        "message": "got 0, right 1",
    }
    broken = bare(
        name, verdict, **shared | {"kind": "broken", "state": "zero", "why": "It `a|b`s."} | given
    )
    broken["outcome"] = given.get("outcome", "zero, silently")
    others = [
        bare(
            f"{name}/{kind}",
            given.get(kind, "confirmed"),
            **shared | {"kind": kind, "state": "right", "why": f"The <{kind}> of `x`."},
        )
        for kind in ("fix", "twin")
    ]
    return [broken, *others]


def line(name: str, text: str) -> str:
    (found,) = (each for each in text.splitlines() if f"(#{name})" in each and each[0] == "|")
    return found


def test_a_line_for_each_mode_with_its_symptom_verdict_and_source() -> None:
    rows = mode("a", source="docs: x, pt#12") + mode(
        "b", state="none", outcome="none, with “not a leaf”"
    )
    table = atlas_table(rows)
    assert line("a", table) == (
        "| Hooks | [`a` is \\| lost](#a) | zero | silent | confirmed | "
        "docs: x, [pt#12](https://github.com/pytorch/pytorch/issues/12) |"
    )
    assert "| none | “not a leaf” | confirmed |" in line("b", table)


def test_a_fix_that_fails_shows_in_the_verdict() -> None:
    assert "confirmed; **the fix fails**" in line("a", atlas_table(mode("a", fix="refuted")))
    assert "confirmed; **the twin fails**" in line("a", atlas_table(mode("a", twin="refuted")))
    assert "| **refuted** |" in line("a", atlas_table(mode("a", "refuted")))


def test_what_did_not_run_says_why() -> None:
    rows = mode("a", "skipped", state=None, message="no gloo")
    assert "| not run | no gloo | skipped |" in line("a", atlas_table(rows))


def test_defects_come_first_with_the_promise() -> None:
    page = atlas_page(mode("fine") + mode("bug", "defect", promise="Never so."))
    assert page.index("## Defects") < page.index("(#bug)") < page.index("## All modes")
    assert "Promised: “Never so.”" in page
    assert page.index("(#bug) |") < page.index("(#fine) |")
    assert "## Defects" not in atlas_page(mode("fine"))


def test_the_page_has_every_code_and_what_it_is_for() -> None:
    page = atlas_page(mode("a", topic="grad_mode"))
    assert page.count("```python\n" + CODE + "\n```") == 3
    assert '## Grad mode\n\n### <a id="a"></a>`a` is \\| lost' in page
    assert "It `a\\|b`s. → **zero**, silent: confirmed." in page
    assert "The &lt;fix&gt; of <code>x</code>." in page
    assert "> got 0, right 1" in page


def test_states_are_counted_by_how_they_show() -> None:
    rows = mode("a") + mode("b") + mode("c", state="error", outcome="error, with “no”")
    page = atlas_page(rows + mode("d", "skipped", state=None))
    assert (
        "| becomes | silent | error |\n|---|---:|---:|\n| zero | 2 |  |\n| error |  | 1 |" in page
    )


def test_the_last_trial_counts_and_other_experiments_do_not() -> None:
    old = [{**row, "run": "old", "recorded_at": "2025"} for row in mode("gone")]
    table = atlas_table([*old, *mode("here"), bare("claim", experiment="article")])
    assert "(#here)" in table
    assert "gone" not in table


def test_a_mode_that_was_cut_short_is_left_out() -> None:
    assert "(#b)" not in atlas_table(mode("a") + mode("b")[:2])


def test_a_run_without_failure_modes_is_refused() -> None:
    with pytest.raises(ValueError, match="no observations of the experiment failure_modes"):
        atlas_table([bare("claim", experiment="article")])


def test_the_command_writes_the_page_without_torch(tmp_path: Path) -> None:
    Store(tmp_path / "run").write("observations", "failure_modes.cpu", mode("a"))
    script = (
        "import pathlib, sys; from gradbench.report.atlas import main; "
        "main([pathlib.Path(sys.argv[1])]); assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '### <a id="a"></a>' in done.stdout


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_rows_is_refused(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-m", "gradbench.report.atlas", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
