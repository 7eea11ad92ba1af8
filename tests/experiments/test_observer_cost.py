import pytest
import torch

from gradbench.observing.observation import Observation, Verdict
from gradbench.statistics.intervals import Interval
from tests.experiments.loading import load_experiment

CPU = torch.device("cpu")
cost = load_experiment("observer_cost.py")


@pytest.fixture(scope="module")
def seen() -> dict[str, Observation]:
    return {observation.case: observation for observation in cost.observe(CPU, budget_s=0.1)}


def test_every_way_is_costed_for_both_nets(seen: dict[str, Observation]) -> None:
    assert len(seen) == 2 * (len(cost.WAYS) + 1)
    for observation in seen.values():
        assert observation.verdict in (Verdict.confirmed, Verdict.refuted, Verdict.skipped)
        if observation.case.partition(": ")[2] not in cost.WAYS:
            continue
        for figure in ("cost_s", "speedup", "step_share"):
            low, middle, high = (
                getattr(observation, figure + end) for end in ("_low", "", "_high")
            )
            assert low <= middle <= high, (observation.case, figure)
        assert observation.cost_s > 0  # type: ignore[attr-defined]


def test_tensors_are_counted(seen: dict[str, Observation]) -> None:
    assert {o.tensors for o in seen.values()} == {200, 8}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", cost.WAYS)
def test_ways_see_the_true_norms(name: str) -> None:
    gradients = [torch.randn(5, 3), torch.randn(7), torch.full((2,), 1e-20)]
    assert cost.error_of(cost.WAYS[name], [g.double() for g in gradients]) < 1e-12
    assert cost.error_of(cost.WAYS[name], gradients[:2]) < 1e-6


def test_a_way_that_sees_other_norms_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    foreach_norm = torch._foreach_norm
    monkeypatch.setattr(torch, "_foreach_norm", lambda g: [1.01 * n for n in foreach_norm(g)])
    seen = list(cost.observe_net("8 large tensors", CPU, budget_s=0.1))
    wrong = {o.case.partition(": ")[2] for o in seen if o.verdict is Verdict.defect}
    assert wrong == {"_foreach_norm, one tolist()", "_foreach_norm, left on the device"}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.04, "confirmed"), (0.06, 0.09, "refuted"), (0.01, 0.09, "skipped")],
)
def test_verdict_needs_the_whole_interval(low: float, high: float, verdict: str) -> None:
    assert cost.judge(Interval((low + high) / 2, low, high))[1].value == verdict
