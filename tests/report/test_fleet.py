"""Many machines: told apart by host, summed up where there are too many to draw."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gradbench
from gradbench.predict.evidence import gather_evidence
from gradbench.report import fleet
from gradbench.report.blocks import describe_cells
from gradbench.report.content import derive
from gradbench.report.gather import gather
from gradbench.report.publish import draw_tables
from gradbench.report.tables import fleet as fleet_table
from gradbench.results.overview import overview
from gradbench.results.store import Store
from gradbench.terminal.summary import summary_tables
from gradbench.terminal.zeroings import zeroing_costs
from tests.benchmarks.generated_fleet import KINDS, TORCH, write_fleet
from tests.compare.runs import TIMES, rows
from tests.report.stored import write_run

HOSTS, CELLS = 40, 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fleet(tmp_path_factory.mktemp("fleet"), HOSTS, CELLS, blocks=2)


@pytest.fixture
def small_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "MOST_CELLS", 1000)
    monkeypatch.setattr(fleet, "SHOWN_CELLS", 3 * CELLS)


@pytest.mark.usefixtures("small_page")
def test_the_sum_over_machines_is_that_of_their_rows(folder: Path) -> None:
    gathered = gather([folder])
    assert gathered.fleet is not None
    spread, cells = gathered.fleet.spread, gradbench.load(folder)
    asked = cells[cells["role"].isin(["baseline", "candidate"])]
    assert spread["machines"].sum() == len(asked)
    by = [*fleet.DEVICE, "model", "rule", "strategy", "zeroing"]
    right = asked[asked["status"] == "ok"].groupby(by, dropna=False)["update_s"]
    expected = right.quantile([0.05, 0.5, 0.95]).unstack().reset_index()
    assert len(expected) > 100
    joined = spread.merge(expected, on=by)
    assert len(joined) == len(expected)
    for name, share in (("update_s_5", 0.05), ("update_s", 0.5), ("update_s_95", 0.95)):
        np.testing.assert_allclose(joined[name], joined[share])
    assert spread["wrong"].sum() == (asked["status"] == "wrong").sum() > 0
    assert (spread["slowest_host"] == "node-00017").any()  # three times slower than its like


@pytest.mark.usefixtures("small_page")
def test_an_approximate_strategy_is_not_the_fastest_of_a_fleet(folder: Path) -> None:
    content = derive(gather([folder]))
    assert content.fleet is not None
    spread = content.fleet.spread
    (table,) = fleet_table.draw(content)
    best = table.text["fastest"].iloc[0]
    off = spread["machines"].where(spread["strategy"] == best, 0)
    other = replace(content.fleet, spread=spread.assign(approximate=off))
    (table,) = fleet_table.draw(replace(content, fleet=other))
    assert best not in set(table.text["fastest"])
    assert table.text["fastest"].iloc[0]


@pytest.mark.usefixtures("small_page")
def test_of_machines_alike_one_is_drawn_and_the_page_says_so(folder: Path) -> None:
    content = derive(gather([folder]))
    assert len(content.cells) == 3 * CELLS
    assert content.cells["host"].nunique() == 3
    assert set(content.runs["host"]) == set(content.cells["host"])
    said = " ".join(content.notes)
    assert f"{HOSTS * CELLS:,} cells of {HOSTS} machines" in said
    assert f"{len(KINDS) * len(TORCH) - 3} of {len(KINDS) * len(TORCH)} kinds" in said
    first = next(iter(draw_tables(content)))
    assert first.name == "fleet"
    assert len(first.text) == 2 * len(KINDS) * len(TORCH)  # a row for each block of each kind
    assert any("driver 575.51" in machine for machine in first.text["machine"])


@pytest.mark.usefixtures("small_page")
def test_the_machine_drawn_is_closest_to_the_median_of_its_like(folder: Path) -> None:
    found = gather([folder]).fleet
    assert found is not None
    blocks = found.blocks.assign(shown=found.blocks["shown"].astype(bool))
    same = [*fleet.DEVICE, "model", "rule"]
    usual = blocks.groupby(same, dropna=False)["baseline_s"].transform("median")
    off = np.abs(np.log(blocks["baseline_s"] / usual))
    by_host = blocks.assign(off=off).groupby([*fleet.DEVICE, "host"], dropna=False)
    ranked = by_host.agg(off=("off", "median"), shown=("shown", "all")).reset_index()
    for _, kind in ranked.groupby(list(fleet.DEVICE), dropna=False):
        if kind["shown"].any():
            assert kind.loc[kind["off"].idxmin(), "shown"]


@pytest.mark.usefixtures("small_page")
def test_runs_of_one_question_count_once_in_a_fleet_and_so_does_a_copy(
    folder: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(folder / "node-00000", tmp_path / "copy")
    cells = gradbench.load(folder / "node-00001").assign(run="later", recorded_at="2026-09-09")
    for block, rows_ in cells.groupby("block"):
        plain = rows_.astype(object).where(rows_.notna(), None).to_dict("records")
        Store(tmp_path / "later").write("cells", str(block), plain)
    found = gather([folder, tmp_path]).fleet
    assert found is not None
    assert found.blocks["cells"].sum() == (HOSTS + 1) * CELLS
    kept = found.blocks[found.blocks["host"] == "node-00001"]
    assert kept.groupby("question")["run"].nunique().eq(2).all()
    assert found.spread["machines"].sum() == HOSTS * (CELLS - 4)  # two controls in each block


def test_few_cells_are_all_drawn(folder: Path) -> None:
    gathered = gather([folder])
    assert gathered.fleet is None
    assert len(gathered.cells) == HOSTS * CELLS


def _claimed_twice(tmp_path: Path) -> pd.DataFrame:
    """Two machines that claim one run and one block, the second a hundred times slower."""
    slow = {name: 100 * seconds for name, seconds in TIMES.items()}
    for host, times in (("a", TIMES), ("b", slow)):
        block: list[dict[str, Any]] = rows(times, host=host, run="same", traffic_bytes=1000)
        for row in block:
            row |= {"tensors": 4, "rounds": 10, "disturbed": 0}
        store = Store(tmp_path / host / "same")
        store.write("cells", "block", block)
        taken = {"protocol": "isolated", "phase": "update", "disturbed": False, "host": host}
        samples = [
            {name: row[name] for name in ("run", "block", "cell")} | taken | {"seconds": 1.0}
            for row in block
            for _ in range(5 if host == "a" else 7)
        ]
        store.write("samples", "block", samples)
        row = {"run": "same", "host": host, "state": "running", "blocks": 3 if host == "a" else 4}
        store.write("runs", host, [row | {"started_at": "2026"}])
    return gradbench.load(tmp_path)


def test_machines_that_claim_one_run_and_block_are_told_apart(tmp_path: Path) -> None:
    cells = _claimed_twice(tmp_path)
    gathered = gather([tmp_path])
    content = derive(gathered)
    shown = describe_cells(gathered.cells, gathered.samples)
    assert len(shown) == len(cells) == 2 * (len(TIMES) + 1)
    taken = shown.groupby("host")["taken"].unique().map(list).to_dict()
    assert taken == {"a": [5], "b": [7]}
    assert set(content.recommendations["host"]) == {"a", "b"}
    assert {"Chip · a", "Chip · b"} == set(content.cells["device_label"])
    tables = {table.name: table for table in draw_tables(content)}
    assert len([name for name in tables if name.startswith("latency")]) == 2
    assert sum("1 of 3 blocks" in n or "1 of 4 blocks" in n for n in content.notes) == 2
    (summary,) = summary_tables(cells)
    assert summary.row_count == 2 * len(TIMES)
    assert [run.hosts for run in overview([tmp_path])[0]] == [["a"], ["b"]]
    assert len({e.circumstances["host"] for e in gather_evidence(cells)}) == 2
    found = gradbench.compare(f"{tmp_path}@host=a", f"{tmp_path}@host=b")
    assert found["ratio"].tolist() == pytest.approx([100.0] * len(TIMES))
    assert found["relative_ratio"].dropna().tolist() == pytest.approx([1.0] * (len(TIMES) - 1))


def test_zeroings_of_machines_that_claim_one_block_are_not_mixed(tmp_path: Path) -> None:
    for host in ("a", "b"):
        write_run(tmp_path / host, models=("mlp",), rules=("sgd",), host=host)
    costs = zeroing_costs(gradbench.load(tmp_path))
    assert costs.groupby("host").size().to_dict() == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        (
            "driver",
            ("550.54", "575.51"),
            {"Chip 3000 · driver 550.54", "Chip 3000 · driver 575.51"},
        ),
        ("clock_hz", (1.41e9, 1.98e9), {"Chip 3000 · 1.41 GHz", "Chip 3000 · 1.98 GHz"}),
    ],
)
def test_devices_of_one_name_are_told_apart_by_driver_and_clock(
    tmp_path: Path, column: str, values: tuple[Any, Any], told: set[str]
) -> None:
    for number, value in enumerate(values):
        write_run(tmp_path, f"run{number}", models=("mlp",), rules=("sgd",), **{column: value})
    cells = derive(gather([tmp_path])).cells
    assert set(cells.loc[cells["status"] != "skipped", "device_label"]) == told
