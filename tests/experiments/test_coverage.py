import pandas as pd

from tests.experiments.loading import load_experiment

ROW = {
    "hogs": 0,
    "runs": 10,
    "model": "mlp_deep",
    "rule": "sgd",
    "seconds": 10.0,
    "stated": True,
    "coverage": 0.95,
    "coverage_low": 0.9,
    "coverage_high": 0.98,
    "intervals": 130,
    "false_alarms": 0.03,
    "false_alarms_low": 0.0,
    "false_alarms_high": 0.1,
    "identical": 30,
    "detectable_difference": 0.018,
    "half_width": 0.01,
    "contended": 0.0,
}


def verdicts(**changes: object) -> list[str]:
    rows = pd.DataFrame([{**ROW, **changes}, {**ROW, "stated": False, "coverage": 0.1}])
    return [o.verdict.value for o in load_experiment("coverage.py").judge(rows)]


def test_verdicts_follow_the_figures() -> None:
    assert verdicts() == ["confirmed"] * 3
    assert verdicts(coverage=0.9)[0] == "refuted"
    assert verdicts(false_alarms=0.06)[1] == "refuted"
    assert verdicts(detectable_difference=0.021)[2] == "refuted"
    assert verdicts(detectable_difference=float("nan"))[2] == "refuted"
    assert verdicts(hogs=2, detectable_difference=0.5)[2] == "skipped"
