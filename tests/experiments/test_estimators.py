from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradbench.calibration.block import IDENTICAL, PLANTED
from gradbench.calibration.replay import Rerun, reruns_of
from gradbench.errors import BadRequest
from gradbench.results.store import Store
from tests.calibration.simulated import BASELINE, samples
from tests.experiments.loading import load_experiment

ESTIMATORS: Any = load_experiment("estimators.py")
TRUTHS = {"twin": 1.0, "foreach/set_to_none": 0.5}


def lone_rerun(**options: Any) -> Rerun:
    [(_, _, rerun)] = reruns_of(samples(TRUTHS, reruns=1, **options), BASELINE)
    return rerun


@pytest.mark.parametrize("name", ESTIMATORS.METHODS, ids=", ".join)
def test_every_candidate_finds_the_truth_in_little_noise(name: tuple[str, str]) -> None:
    rerun = lone_rerun(between=1e-4, within=1e-4)
    interval = ESTIMATORS.intervals(rerun, ESTIMATORS.METHODS[name])["foreach/set_to_none"]
    assert interval.estimate == pytest.approx(2.0, rel=1e-3)
    assert interval.low <= interval.estimate <= interval.high
    assert interval.half_width < 1e-3


def test_gradbenchs_own_way_is_judged_beside_them() -> None:
    rerun = lone_rerun(replicates=12)
    labels = {name for name, _, _ in ESTIMATORS.trials([rerun])}
    assert (ESTIMATORS.ESTIMATOR, ESTIMATORS.INTERVAL) in labels
    ranked = ESTIMATORS.METHODS[ESTIMATORS.PAIRS, "signed ranks of replicates"]
    apart, together = ESTIMATORS.intervals(rerun, ranked), rerun.intervals()
    assert apart.keys() == together.keys()
    for cell, interval in apart.items():
        assert interval.estimate == pytest.approx(together[cell].estimate, rel=0.01)


def test_thinned_replicates_keep_their_first_rounds() -> None:
    rerun = ESTIMATORS.thinned(lone_rerun(), 0.5)
    assert rerun.replicates == 8
    for times in rerun.times.values():
        assert np.isfinite(times[:, :3]).all()
        assert np.isnan(times[:, 3:]).all()


def test_the_rounds_of_a_replicate_are_not_independent() -> None:
    """Pooling rounds covers too little when allocations differ; ranking replicates does not."""
    pooled = ESTIMATORS.METHODS[ESTIMATORS.PAIRS, "order statistics, rounds pooled"]
    hits = {"pooled": 0, "ranked": 0}
    frame = samples(TRUTHS, reruns=60, between=0.02, within=0.005, seed=3)
    for _, _, rerun in reruns_of(frame, BASELINE):
        found = {"pooled": ESTIMATORS.intervals(rerun, pooled), "ranked": rerun.intervals()}
        for name, intervals in found.items():
            hits[name] += intervals["twin"].low <= 1.0 <= intervals["twin"].high
    assert hits["pooled"] < 0.85 * 60
    assert hits["ranked"] >= 0.88 * 60


def test_the_page_has_every_method_on_the_same_samples(tmp_path: Path) -> None:
    zeroing = BASELINE.partition("/")[2]
    slow = {f"{name}/{zeroing}": 1 + size for name, size in PLANTED.items()}
    same = {"twin": 1.0, **{f"{name}/{zeroing}": 1.0 for name in IDENTICAL}}
    store = Store(tmp_path / "r")
    frame = samples({**same, **slow}, reruns=3, replicates=16, between=0.002, within=0.002)
    for rerun, rows in frame.groupby("rerun"):
        store.write("calibration_samples", f"c-hogs0-{rerun:03d}", rows.to_dict("records"))
    planted = [{"run": "r", "strategy": n, "difference": size} for n, size in PLANTED.items()]
    store.write("planted_work", "c", planted)
    known = {"run": "r", "hogs": 0, "model": "mlp", "rule": "sgd", "device": "cpu"}
    stated = {**known, "stated": True, "estimator": "as stored", "replicates": 7.5}
    store.write("calibrations", "c", [stated, {**stated, "stated": False, "estimator": "old"}])
    with pytest.raises(BadRequest, match="no such strategy"):
        list(ESTIMATORS.page(tmp_path, "foreach"))
    page = "\n".join(ESTIMATORS.page(tmp_path, "no_grad"))
    assert "### mlp · sgd · cpu, quiet" in page
    assert "| as stored |" in page
    assert "| old |" not in page
    for estimator, interval in ESTIMATORS.METHODS:
        [line] = [x for x in page.splitlines() if f"| {estimator} | {interval} | budget |" in x]
        assert "| 16.0 |" in line
    assert "| 0.8 %, 6 replicates at least |" in page
    assert page.count("| as long, 16 replicates |") == page.count("| 8 replicates |") > 5


def test_nothing_to_judge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no calibrations"):
        list(ESTIMATORS.page(tmp_path, "no_grad"))
    Store(tmp_path / "r").write("calibrations", "c", [{"run": "r", "stated": True}])
    with pytest.raises(BadRequest, match="no samples"):
        list(ESTIMATORS.page(tmp_path, "no_grad"))
