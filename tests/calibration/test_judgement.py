import numpy as np
import pytest

from gradbench.calibration.judgement import (
    coverage,
    detectable,
    false_alarms,
    figures,
    found,
)
from gradbench.statistics.intervals import Interval
from gradbench.statistics.share import Share
from tests.calibration.simulated import around


def normal_reruns(claimed: float, actual: float, reruns: int = 400) -> list[dict[str, Interval]]:
    """Estimates scatter by actual; intervals claim 1.96 times what they believe it is."""
    rng = np.random.default_rng(0)
    return [
        {
            cell: around(float(np.exp(rng.normal(np.log(truth), actual))), np.expm1(1.96 * claimed))
            for cell, truth in (("a", 1.0), ("b", 3.0))
        }
        for _ in range(reruns)
    ]


def test_right_intervals_cover_as_often_as_they_say() -> None:
    share = coverage(normal_reruns(claimed=0.01, actual=0.01))
    assert share.trials == 800
    assert 0.93 <= share.estimate <= 0.97


def test_intervals_too_narrow_are_found_out() -> None:
    # P(|z| ≤ 1.96 / 3) = 49 %
    assert coverage(normal_reruns(claimed=0.01, actual=0.03)).estimate < 0.6


def test_one_rerun_covers_nothing() -> None:
    assert coverage([{"a": around(1.0, 0.1)}]) == Share(0, 0)
    assert Share(0, 0).columns("coverage") == {
        "coverage": None,
        "coverage_low": None,
        "coverage_high": None,
    }


def test_the_interval_of_a_share_is_exact() -> None:
    columns = Share(19, 20).columns("coverage")
    assert columns["coverage"] == 0.95
    # Clopper and Pearson's table for 19 of 20.
    assert columns["coverage_low"] == pytest.approx(0.7513, abs=1e-4)
    assert columns["coverage_high"] == pytest.approx(0.9987, abs=1e-4)


def test_false_alarms_are_intervals_that_leave_out_one_either_way() -> None:
    reruns = [
        {"twin": around(1.0, 0.01), "same": around(1.05, 0.01)},
        {"twin": around(1.0, 0.01), "same": around(0.95, 0.01)},
        {"twin": around(1.0, 0.01), "same": around(1.005, 0.01)},
        {"twin": around(1.1, 0.01), "same": around(1.05, 0.01)},  # noise floor 11 %
    ]
    names = ["twin", "same"]
    assert false_alarms(reruns, names, beyond_noise=False) == Share(4, 8)
    assert false_alarms(reruns, names, beyond_noise=True) == Share(2, 4)


def test_nothing_is_beyond_an_unknown_noise_floor() -> None:
    rerun = {"same": around(2.0, 0.01), "slow": around(0.5, 0.01)}
    assert false_alarms([rerun], ["same"], beyond_noise=True) == Share(0, 1)
    assert found([rerun], ["slow"], beyond_noise=True) == {"slow": Share(0, 1)}
    assert found([rerun], ["slow"], beyond_noise=False) == {"slow": Share(1, 1)}


def test_a_speedup_is_no_find_of_a_slowdown() -> None:
    assert found([{"slow": around(1.1, 0.01)}], ["slow"], beyond_noise=False)["slow"].hits == 0


def test_detectable_needs_all_larger_differences_found() -> None:
    sizes = {"one": 0.01, "two": 0.02, "five": 0.05, "ten": 0.10}
    shares = {"one": Share(9, 10), "two": Share(7, 10), "five": Share(8, 10), "ten": Share(10, 10)}
    assert detectable(shares, sizes) == 0.05
    assert detectable({**shares, "two": Share(8, 10)}, sizes) == 0.01
    assert detectable({**shares, "ten": Share(7, 10)}, sizes) is None


def test_figures_of_known_reruns() -> None:
    reruns = [{"twin": around(1.0, 0.02), "slow": around(1 / 1.1, 0.02)}] * 3
    row = figures(reruns, ["twin"], {"slow": 0.1})
    assert row["coverage"] == 1.0
    assert row["intervals"] == 6
    assert row["false_alarms"] == 0.0
    assert row["detectable_difference"] == 0.1
    assert row["half_width"] == pytest.approx(0.02)
    assert row["spread"] == pytest.approx(0.0, abs=1e-12)
    assert row["bias"] == pytest.approx(0.0, abs=1e-12)
