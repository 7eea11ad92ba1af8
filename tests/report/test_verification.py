from pathlib import Path
from typing import Any

from gradbench.report.content import Content, derive
from gradbench.report.gather import gather
from gradbench.report.tables import latency, verification
from tests.report.stored import write_run

SEEN = {"power": 6.4, "nearest_mutant": "eps left out", "dtype": "bfloat16"}


def content(folder: Path, **figures: Any) -> Content:
    write_run(folder, models=("mlp",), rules=("sgd",), **figures)
    return derive(gather([folder]))


def test_a_block_has_its_power_and_what_its_dtype_hides(tmp_path: Path) -> None:
    hidden = {"indistinguishable": "weight_decay left out; beta2 left out", "lost_fraction": 0.996}
    found = content(tmp_path, **SEEN, **hidden)
    [table] = verification.draw(found)
    [row] = table.text.to_dict("records")
    assert row["power"] == "6.4"
    assert row["nearest mutant"] == "eps left out"
    assert row["not seen here"] == "weight_decay left out, beta2 left out"
    assert row["updates lost"] == "99.6 %"
    assert set(table.data["indistinguishable"]) == {hidden["indistinguishable"]}
    [note] = [note for note in found.notes if "99.6 %" in note]
    assert note.startswith("mlp · sgd: 99.6 % of the elements are left as they are")


def test_weak_verification_is_said_beside_the_tick(tmp_path: Path) -> None:
    found = content(tmp_path, **{**SEEN, "power": 1.5})
    [table] = verification.draw(found)
    assert table.text["power"].iloc[0] == "1.5\nweak"
    [block] = latency.draw(found)
    best = "✓ 0.500 of 4.00 ulp, weakly: a mutant is 1.5 tolerances away"
    assert block.text["right?"].iloc[0] == best


def test_strong_verification_without_losses_adds_no_note(tmp_path: Path) -> None:
    found = content(tmp_path, **SEEN, indistinguishable="", lost_fraction=0.0)
    assert not [note for note in found.notes if "elements" in note]
    assert latency.draw(found)[0].text["right?"].iloc[0] == "✓ 0.500 of 4.00 ulp"


def test_files_from_before_have_no_such_table(tmp_path: Path) -> None:
    assert verification.draw(content(tmp_path)) == []


def test_ulps_are_of_the_type_that_is_computed_in(tmp_path: Path) -> None:
    figures = {"inner_dtype": "bfloat16", "max_ulp_error": 16384.0, "tolerance_ulps": 98304.0}
    write_run(tmp_path, models=("mlp",), rules=("sgd",), **figures)
    content = derive(gather([tmp_path]))
    right = latency.draw(content)[0].text["right?"].iloc[0]
    assert right == "✓ 0.250 of 1.50 ulp of bfloat16"
