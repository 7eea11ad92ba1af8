"""Comparing two runs: what matches, what the figures are, what is refused."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradbench
from gradbench.errors import BadRequest
from gradbench.results.files import readable_files
from tests.compare.runs import TIMES, interval, rows, write

OPPOSITE = {"faster": "slower", "slower": "faster", "same": "same", "unclear": "unclear"}


def compared(base: list[dict[str, Any]], other: list[dict[str, Any]], **how: Any) -> pd.DataFrame:
    frame = gradbench.compare(pd.DataFrame(base), pd.DataFrame(other), **how)
    return frame.set_index("strategy")


def slowed(times: dict[str, float], **factors: float) -> dict[str, float]:
    return {name: seconds * factors.get(name, 1.0) for name, seconds in times.items()}


def test_identical_runs_are_the_same(tmp_path: Path) -> None:
    for half in (0.001, 0.01):
        found = compared(rows(TIMES, half=half), rows(TIMES, half=half, run="s"))
        assert set(found["verdict"]) == {"same"}
        assert list(found["ratio"]) == pytest.approx([1.0, 1.0, 1.0])


def test_the_same_measurement_is_the_same_however_uncertain() -> None:
    found = compared(rows(TIMES, half=3.0), rows(TIMES, half=3.0))
    assert set(found["verdict"]) == {"same"}
    assert "the same measurements" in found.attrs["remarks"][0]
    unsure = compared(rows(TIMES, half=3.0), rows(TIMES, half=3.0, run="s"))
    assert set(unsure["verdict"]) == {"unclear"}


def test_a_planted_change_is_found_and_only_it() -> None:
    found = compared(rows(TIMES), rows(slowed(TIMES, foreach=1.3), run="s"))
    assert dict(found["verdict"]) == {"optimizer": "same", "foreach": "slower", "flat": "same"}
    assert found["ratio"]["foreach"] == pytest.approx(1.3)
    assert found["ratio_low"]["foreach"] < 1.3 < found["ratio_high"]["foreach"]
    assert found["relative_verdict"]["foreach"] == "slower"
    back = compared(rows(slowed(TIMES, foreach=1.3), run="s"), rows(TIMES))
    assert back["verdict"]["foreach"] == "faster"


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.floats(0.2, 5.0), min_size=3, max_size=3),
    st.floats(0.5, 2.0),
    st.floats(1e-3, 0.3),
    st.floats(1e-3, 0.3),
    st.sampled_from(["h", "elsewhere"]),
)
def test_swapping_the_sides_inverts_everything(
    factors: list[float], drift: float, half: float, other_half: float, host: str
) -> None:
    base = rows(TIMES, half=half)
    times = slowed(TIMES, **dict(zip(TIMES, factors, strict=True)))
    other = rows(times, half=other_half, control_s=1e-5 * drift, run="s", host=host)
    there, back = compared(base, other), compared(other, base)
    for strategy in TIMES:
        one, two = there.loc[strategy], back.loc[strategy]
        for name in ("ratio", "normalised_ratio", "relative_ratio"):
            if not math.isnan(one[name]):
                assert one[name] == pytest.approx(1 / two[name])
                assert one[f"{name}_low"] == pytest.approx(1 / two[f"{name}_high"])
        assert one["drift_low"] == pytest.approx(1 / two["drift_high"])
        for name in ("verdict", "normalised_verdict", "relative_verdict"):
            if isinstance(one[name], str):
                assert OPPOSITE[one[name]] == two[name]


def test_a_machine_that_drifted_is_no_verdict() -> None:
    """Everything 30 % slower, controls too: the machine's doing on one machine."""
    times = slowed(TIMES, optimizer=1.3, foreach=1.3, flat=1.3)
    found = compared(rows(TIMES), rows(times, control_s=1.3e-5, run="s"))
    assert set(found["verdict"]) == {"unclear"}
    assert found["drift_low"].max() < 1.0 < 1.25 < found["ratio_low"].min()
    assert found["normalised_verdict"].isna().all()
    assert found["relative_ratio"].dropna().tolist() == pytest.approx([1.0, 1.0])
    assert set(found["relative_verdict"].dropna()) == {"same"}


@pytest.mark.parametrize(("there", "verdict"), [(8.5e-6, "slower"), (16e-6, "unclear")])
def test_a_machine_whose_processors_were_moved_is_no_verdict(there: float, verdict: str) -> None:
    here = [{**row, "exchange_s": 8e-6} for row in rows(TIMES)]
    slow = rows(slowed(TIMES, foreach=1.5), run="s")
    moved = [{**row, "exchange_s": there} for row in slow]
    found = compared(here, moved)
    assert found["verdict"]["foreach"] == verdict
    assert found["relative_verdict"]["foreach"] == verdict
    remarks = [remark for remark in found.attrs["remarks"] if "processors" in remark]
    assert len(remarks) == (verdict == "unclear")
    back = compared(moved, here)
    assert back["verdict"]["foreach"] == OPPOSITE[verdict]
    # Another machine's processors lie where they lie.
    elsewhere = [{**row, "host": "elsewhere"} for row in moved]
    assert compared(here, elsewhere)["verdict"]["foreach"] == "slower"


def test_drift_that_only_the_baseline_shows() -> None:
    """Dispatch slows down and memory does not; with another torch the baseline proves nothing."""
    times = slowed(TIMES, optimizer=1.3, foreach=1.3, flat=1.3)
    found = compared(rows(TIMES), rows(times, run="s"))
    assert set(found["verdict"]) == {"unclear"}
    upgraded = compared(rows(TIMES), rows(times, run="s", torch_version="2.14.0"))
    assert set(upgraded["verdict"]) == {"slower"}


def test_another_machine_is_compared_as_it_is_and_by_its_bandwidth() -> None:
    times = slowed(TIMES, optimizer=0.5, foreach=0.5, flat=0.5)
    fast = rows(times, control_s=0.5e-5, run="s", host="i", device="cuda", device_name="GPU")
    found = compared(rows(TIMES), fast)
    assert set(found["verdict"]) == {"faster"}
    assert set(found["normalised_verdict"]) == {"same"}
    assert found["normalised_ratio"].tolist() == pytest.approx([1.0] * 3)
    assert list(found["ratio_low"]) == list(found["drift_low"])


def test_a_ratio_within_the_twins_noise_is_unclear() -> None:
    times = slowed(TIMES, foreach=1.3)
    found = compared(rows(TIMES, noise_floor=0.25), rows(times, run="s", noise_floor=0.25))
    assert found["verdict"]["foreach"] == "unclear"
    unknown = compared(rows(TIMES, noise_floor=None), rows(times, run="s"))
    assert unknown["verdict"]["foreach"] == "unclear"


def test_other_baselines_make_no_relative_ratio() -> None:
    other = rows(TIMES, run="s")
    for row in other:
        if row["role"] != "bandwidth":
            row["role"] = "baseline" if row["strategy"] == "flat" else "candidate"
    found = compared(rows(TIMES), other)
    assert found["relative_ratio"].isna().all()
    assert found["ratio"].notna().all()


def test_one_sided_cells_are_listed_with_the_reason() -> None:
    base = rows({**TIMES, "compiled_per_tensor": 1e-5, "data": 1e-5})
    other = rows({**TIMES, "compiled_per_tensor": 1e-5, "detach": 1e-5}, run="s")
    for row in other:
        if row["strategy"] == "compiled_per_tensor":
            row |= {"status": "wrong", "reason": "off by 9 ulp", "update_s": None}
    found = compared(base, other)
    assert found["reason"]["compiled_per_tensor"] == "only in BASE (wrong in OTHER: off by 9 ulp)"
    assert found["reason"]["data"] == "only in BASE"
    assert found["reason"]["detach"] == "only in OTHER"
    assert found["verdict"][["compiled_per_tensor", "data", "detach"]].isna().all()
    assert found["reason"][list(TIMES)].isna().all()


def test_approximate_cells_are_compared_with_their_like_alone() -> None:
    base, other = rows(TIMES), rows(slowed(TIMES, foreach=2.0), run="s")
    for side in (base, other):
        for row in side:
            row |= {"status": "approximate"} if row["strategy"] == "foreach" else {}
    found = compared(base, other)
    assert found["verdict"]["foreach"] == "slower"
    assert found["reason"].isna().all()
    exact = [{**row, "status": "ok"} for row in base]
    found = compared(exact, other)
    assert found["reason"]["foreach"] == "ok in BASE, approximate in OTHER"
    assert pd.isna(found["verdict"]["foreach"])


def test_cells_without_an_update_time_are_no_cells_to_compare() -> None:
    other = rows({**TIMES, "in_backward": 1e-5}, run="s")
    for row in other:
        if row["strategy"] == "in_backward":
            row["update_s"] = None
    found = compared(rows({**TIMES, "in_backward": 1e-5}), other)
    assert "no update time of its own" in found["reason"]["in_backward"]


@pytest.mark.parametrize(
    ("column", "value"), [("rule", "adamw"), ("dtype", "float64"), ("threads", 4), ("model", "gpt")]
)
def test_unlike_things_are_refused_unless_asked_for(column: str, value: Any) -> None:
    other = rows(TIMES, run="s", **{column: value})
    with pytest.raises(BadRequest, match=f"BASE has {column} .*--across {column}"):
        compared(rows(TIMES), other)
    found = compared(rows(TIMES), other, across=[column])
    assert len(found) == 3
    assert found["ratio"].notna().all()
    assert f"→ {value}" in str(found[column].iloc[0])
    assert f"→ {value}" in str(found["cell"].iloc[0])


def test_models_of_one_name_and_another_size_are_not_one_model() -> None:
    other = rows(TIMES, run="s", parameters=200)
    found = compared(rows(TIMES), other)
    assert set(found["reason"]) == {"not the same model: 100 parameters against 200"}
    assert compared(rows(TIMES), other, across=["model"])["ratio"].notna().all()


def test_devices_match_where_a_side_holds_several() -> None:
    gpu = {"device": "cuda", "device_name": "GPU", "block": "c"}
    base = [*rows(TIMES), *rows(slowed(TIMES, flat=0.1), **gpu)]
    found = gradbench.compare(pd.DataFrame(base), pd.DataFrame(rows(TIMES, run="s")))
    assert list(found["reason"].fillna("")) == [""] * 3 + ["only in BASE"] * 3
    assert list(found["cell"].str.contains(" · cuda · GPU · ")) == [False] * 3 + [True] * 3
    with pytest.raises(BadRequest, match="device"):
        gradbench.compare(
            pd.DataFrame(base), pd.DataFrame(rows(TIMES, device="tpu", device_name="T"))
        )


def test_seeds_match_each_other_where_a_side_holds_several() -> None:
    sides = []
    for run in ("a", "b"):
        seeds = [rows(TIMES, run=run, seed=seed, block=f"b{seed}") for seed in (0, 1)]
        sides.append(pd.DataFrame(seeds[0] + seeds[1]))
    found = gradbench.compare(*sides)
    assert len(found) == 6
    assert found["reason"].isna().all()
    assert found["cell"].is_unique
    assert found["cell"].str.contains(" · seed 1 · ").sum() == 3


def test_several_runs_are_refused_chosen_from_or_pooled() -> None:
    later = "2026-02-01T00:00:00+00:00"
    base = [*rows(TIMES, run="a"), *rows(slowed(TIMES, flat=2.0), run="b", recorded_at=later)]
    other = rows(TIMES, run="s")
    with pytest.raises(BadRequest, match=r"2 measurements of .*run a, b.*--several pool"):
        compared(base, other)
    latest = compared(base, other, several="latest")
    assert latest["ratio"]["flat"] == pytest.approx(0.5)
    assert set(latest["base_run"]) == {"b"}
    pooled = compared(base, other, several="pool")
    assert pooled["base_s"]["flat"] == pytest.approx(1e-5 * math.sqrt(2))
    assert pooled["ratio_low"]["flat"] < 0.01  # two runs say little of their scatter
    assert pooled["base_runs"]["flat"] == 2


def test_a_measurement_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "here" / "r", rows(TIMES))
    write(tmp_path / "copy" / "r", rows(TIMES))
    found = gradbench.compare(tmp_path, pd.DataFrame(rows(TIMES, run="s")))
    assert len(found) == 3


def test_pooled_sides_hold_the_drift_in_their_scatter() -> None:
    sides = []
    for start, factor in (("a", 1.0), ("b", 1.5)):
        side = []
        for number, drift in enumerate((0.97, 1.0, 1.03)):
            times = {name: seconds * drift * factor for name, seconds in TIMES.items()}
            side += rows(times, run=f"{start}{number}", control_s=1e-5 * drift)
        sides.append(side)
    found = compared(*sides, several="pool")
    assert set(found["verdict"]) == {"slower"}
    assert list(found["drift_low"]) == list(found["ratio_low"])


def test_sides_are_narrowed_by_what_follows_the_path(tmp_path: Path) -> None:
    chip = "Xeon(R) CPU @ 2.20GHz, 2 cores"
    write(tmp_path / "results@home" / "a", rows(TIMES, run="a", device_name=chip))
    write(tmp_path / "results@home" / "b", rows(TIMES, run="b", rule="adamw", device_name=chip))
    root = tmp_path / "results@home"
    for narrowing in ("run=a", f"rule=sgd,device_name={chip}", "rule=s?d"):
        side = f"{root}@{narrowing}"
        assert set(gradbench.compare(side, f"{root}/a")["cell"].str.contains("sgd")) == {True}
    one = gradbench.compare(f"{root}@run=a,strategy=flat", f"{root}@run=a")
    assert list(one["reason"].fillna("")) == ["", "only in OTHER", "only in OTHER"]
    flat = gradbench.compare(f"{root}@run=a,strategy=flat", root / "b", across=["rule"])
    assert flat["normalised_ratio"].notna().any()  # the controls are found all the same


@pytest.mark.parametrize(
    ("side", "message"),
    [
        ("nowhere", "no such file or folder: .*nowhere"),
        ("nowhere@run=a", "no such file or folder: .*nowhere"),
        ("here@run=z", "no cell with run=z; .* has run r"),
        ("here@colour=red", "colour is no column; choose from run, host"),
        ("here@run=r,run=s", "run is given twice"),
        ("empty", "no cells below .*empty: give a folder of results"),
        ("begun", r"none in run begun \(half-written\)"),
        ("damaged", "no cells below .*damaged: left out .*x.parquet: not a parquet file"),
        ("skipped", "skipped has no cell that was measured"),
    ],
)
def test_bad_sides_are_refused_in_one_message(tmp_path: Path, side: str, message: str) -> None:
    write(tmp_path / "here", rows(TIMES))
    (tmp_path / "empty").mkdir()
    (write(tmp_path / "begun", rows(TIMES)) / "cells").rename(tmp_path / "gone")
    (tmp_path / "begun" / "samples").mkdir()
    (tmp_path / "begun" / "samples" / "b.parquet").write_bytes(b"")
    (tmp_path / "damaged" / "cells").mkdir(parents=True)
    (tmp_path / "damaged" / "cells" / "x.parquet").write_text("no parquet")
    write(tmp_path / "skipped", rows(TIMES, status="skipped", update_s=None))
    with pytest.raises(BadRequest, match=message):
        gradbench.compare(f"{tmp_path}/{side}", tmp_path / "here")
    with pytest.raises(BadRequest, match=message):
        gradbench.compare(tmp_path / "here", f"{tmp_path}/{side}")


def test_files_left_out_are_named_and_the_rest_is_compared(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", rows(TIMES))
    (folder / "cells" / "x.parquet").write_text("no parquet")
    found = gradbench.compare(folder, pd.DataFrame(rows(TIMES, run="s")))
    assert len(found) == 3
    assert found.attrs["left_out"] == [str(readable_files(folder).left_out[0])]


def test_bad_arguments_are_refused() -> None:
    for how in ({"margin": -1}, {"margin": math.nan}, {"several": "all"}, {"across": ["colour"]}):
        with pytest.raises(BadRequest, match="choose"):
            compared(rows(TIMES), rows(TIMES, run="s"), **how)
    with pytest.raises(BadRequest, match="BASE has no rows"):
        gradbench.compare(pd.DataFrame(), pd.DataFrame(rows(TIMES)))


def test_a_notebook_shows_a_short_escaped_table() -> None:
    found = gradbench.compare(
        pd.DataFrame(rows(TIMES, model="<b>&")), pd.DataFrame(rows(TIMES, model="<b>&", run="s"))
    )
    page = found._repr_html_()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert "3 same" in page
    assert "base_host" not in page
    assert isinstance(found, pd.DataFrame)
    assert "<table" in found[found["ratio"] > 2]._repr_html_()
    assert "<table" in found[["cell", "ratio"]]._repr_html_()


def test_intervals_of_unknown_width_are_unclear() -> None:
    other = rows(TIMES, run="s", **interval("update_s", 1e-5, 0.0))
    for row in other:
        row |= {"update_s_low": 0.0, "update_s_high": math.inf}
    found = compared(rows(TIMES), other)
    assert set(found["verdict"]) == {"unclear"}
    assert found["ratio_high"].tolist() == [math.inf] * 3


def test_cold_caches_are_not_compared_with_hot_ones_unless_asked() -> None:
    hot, cold = (pd.DataFrame(rows(TIMES, cache=cache)) for cache in ("hot", "cold"))
    with pytest.raises(BadRequest, match=r"BASE has cache hot, OTHER cold.*--across cache"):
        gradbench.compare(hot, cold)
    found = gradbench.compare(hot, cold, across=["cache"])
    assert set(found["cache"]) == {"hot → cold"}
    assert found["ratio"].eq(1.0).all()


def test_two_widths_of_a_model_differ_in_options_and_are_compared_if_asked() -> None:
    base = rows(TIMES, options="model.width=64")
    other = rows(slowed(TIMES, flat=3.0), options="model.width=1024", run="s", parameters=9000)
    message = r"BASE has options model.width=64, OTHER model.width=1024: .*--across options"
    with pytest.raises(BadRequest, match=message):
        compared(base, other)
    with pytest.raises(BadRequest, match=r"BASE has options the defaults, OTHER model\.width"):
        compared(rows(TIMES, options=""), other)
    found = compared(base, other, across=["options"])
    assert set(found["options"]) == {"model.width=64 → model.width=1024"}
    assert found["ratio"]["flat"] == pytest.approx(3.0)
    assert list(found["drift_low"]) == list(found["ratio_low"])  # no drift of one and the same


def test_options_tell_cells_of_one_side_apart() -> None:
    sides = [
        [
            *rows(TIMES, options="", run=run, block="b0"),
            *rows(TIMES, options="rule.lr=0.1", run=run, block="b1"),
        ]
        for run in ("a", "b")
    ]
    found = gradbench.compare(*map(pd.DataFrame, sides))
    assert found["reason"].isna().all()
    assert found["cell"].is_unique
    assert found["cell"].str.contains("mlp · sgd · rule.lr=0.1 · float32").sum() == 3
    narrowed = gradbench.compare(*(pd.DataFrame(side[:4]) for side in sides))
    assert not narrowed["cell"].str.contains("rule.lr").any()


def test_files_older_than_the_cache_are_of_hot_ones() -> None:
    old = pd.DataFrame(rows(TIMES))
    assert set(gradbench.compare(old, pd.DataFrame(rows(TIMES, cache="hot")))["cache"]) == {"hot"}
    with pytest.raises(BadRequest, match="cache hot"):
        gradbench.compare(old, pd.DataFrame(rows(TIMES, cache="cold")))
