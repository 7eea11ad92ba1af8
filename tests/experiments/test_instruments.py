import pandas as pd
import pytest

from tests.experiments.loading import load_experiment


@pytest.mark.parametrize(
    ("hogs", "own", "timer", "verdict"),
    [
        (0, 0.01, 0.01, "confirmed"),
        (0, 0.02, 0.01, "refuted"),
        (2, 0.01, 0.1, "confirmed"),
        (2, 0.02, 0.1, "refuted"),
    ],
)
def test_verdicts_follow_the_spreads(hogs: int, own: float, timer: float, verdict: str) -> None:
    spreads = {"gradbench": own, "Timer, blocked": timer, "Timer, adaptive": 5.0, "pyperf": 1e-9}
    summary = pd.DataFrame(
        [
            {"hogs": hogs, "pair": "a / b", "instrument": name, "spread": spread}
            for name, spread in spreads.items()
        ]
    )
    [seen] = load_experiment("instruments.py").judge(summary)
    assert seen.verdict.value == verdict
