import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gradbench.observing.readings import Reading, written
from gradbench.results.store import Store
from tools.instruments_page import instruments_page

ROOT = Path(__file__).parents[2]


def row(case: str, lay: tuple[float, ...] = (), **ratios: list[float]) -> dict[str, Any]:
    said = {
        name: [
            Reading(
                ratio,
                2.0,
                *((ratio / 2, ratio * 2) if name == "gradbench" else (None, None)),
                exchange_s=(lay[index], lay[index]) if lay else None,
            )
            for index, ratio in enumerate(told)
        ]
        for name, told in ratios.items()
    }
    return {
        **{"experiment": "instruments", "case": case, "repeats": written(said) if said else None},
        **{"run": "r", "host": "h", "device": "cpu", "device_name": "chip", "threads": 2},
        **{"torch_version": "2", "recorded_at": "2026-01-02T03:04:05", "verdict": "refuted"},
        **{"expected": "all hold", "outcome": "2 of 3 hold it", "source": "aim; mlp · sgd, 2 s"},
    }


def cells(page: str, *starts: str) -> list[str]:
    [line] = [line for line in page.splitlines() if line.startswith(f"| {' | '.join(starts)} |")]
    return line.strip("| ").split(" | ")


def test_spread_and_bias_are_those_of_the_ratios() -> None:
    pair = {"gradbench": [2.0, 2.0, 2.02], "Timer": [1.0, 2.0, 4.0], "pyperf": [2.2, 2.2, 2.2]}
    again = {"gradbench": [1.0, 1.0], "Timer": [1.1, 1.1]}
    page = instruments_page(
        [
            row("quiet: interval of a / b", **pair),
            row("quiet: spread of a / b"),
            row("1 busy process: interval of a / b", gradbench=[3.0, 3.0]),
            row("quiet: interval of a / a, again", **again),
        ]
    )
    # The truth is 2: the median of the medians 2, 2 and 2.2, on the quiet machine.
    quiet = ("quiet", "a / b", "unknown")
    assert cells(page, *quiet, "Timer")[4:] == [
        *("3", "2.000", "69 %", "69 %", "0 %", "–", "2.0 s")
    ]
    assert cells(page, *quiet, "gradbench")[9] == "3 of 3"
    assert cells(page, *quiet, "pyperf")[8] == "9.5 %"
    assert cells(page, "quiet", "a / a, again", "unknown", "Timer")[8] == "9.5 %"
    assert cells(page, "1 busy process", "a / b", "unknown", "gradbench")[8] == "41 %"
    assert page.index("| unknown | gradbench") < page.index("| unknown | Timer")  # least scattered
    assert "mlp · sgd, 2 s" in page
    assert "- quiet: spread of a / b: all hold. 2 of 3 hold it: refuted." in page


def test_each_place_of_the_processors_has_its_truth() -> None:
    together, apart = 8e-6, 16e-6
    said = {"gradbench": [2.4, 2.4, 2.2, 2.2], "Timer": [2.4, 2.4, 1.1, 1.1]}
    page = instruments_page(
        [
            row("quiet: interval of a / b", lay=(together, together, apart, apart), **said),
            row("1 busy process: interval of a / b", lay=(apart, together), gradbench=[9.0, 2.2]),
        ]
    )
    assert cells(page, "quiet", "a / b", "together", "Timer")[4:7] == ["2", "2.400", "0 %"]
    assert cells(page, "quiet", "a / b", "apart", "gradbench")[5:7] == ["2.200", "0 %"]
    busy = cells(page, "1 busy process", "a / b", "apart", "gradbench")
    assert (busy[4], busy[9]) == ("1", "0 of 1")
    assert cells(page, "1 busy process", "a / b", "together", "gradbench")[9] == "1 of 1"


@pytest.mark.parametrize("stored", [True, False])
def test_the_page_is_written_from_stored_rows(tmp_path: Path, stored: bool) -> None:
    rows = [
        row("quiet: interval of a / b", gradbench=[1.0, 2.0]),
        {"experiment": "x", "verdict": "skipped"},
    ]
    Store(tmp_path / "r").write("observations", "x", rows if stored else rows[1:])
    command = [sys.executable, str(ROOT / "tools" / "instruments_page.py"), str(tmp_path / "r")]
    answer = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == (0 if stored else 2)
    assert ("## chip, 2 threads" in answer.stdout) is stored
    assert ("no comparison" in answer.stderr) is not stored
