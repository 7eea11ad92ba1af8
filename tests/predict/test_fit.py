import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbench.predict.evidence import gather_evidence
from gradbench.predict.fit import fit_cost
from gradbench.predict.memory import Memory
from gradbench.predict.validation import leave_one_out
from gradbench.statistics.bottleneck import bottleneck
from tests.predict.planted import ACCESSES, COSTS, MODELS, cells, memory_s, planted


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-6, 1e-3), st.floats(1e-7, 1e-4), st.floats(0.5, 10.0), st.booleans())
def test_planted_figures_are_recovered(
    start: float, tensor: float, passes: float, without_bytes: bool
) -> None:
    (evidence,) = gather_evidence(
        cells({"x": (start, tensor, passes)}, without_bytes=without_bytes)
    )
    fit = fit_cost(evidence, "x")
    assert fit is not None
    assert fit.models == len(MODELS)
    assert fit.figures == pytest.approx((start, tensor, passes), rel=0.01)
    assert abs(fit.worst) < 0.01
    for name, (tensors, parameters) in MODELS.items():
        memory = float(evidence.memory.seconds(4 * ACCESSES * parameters))
        truth = planted((start, tensor, passes), tensors, parameters)
        assert fit.predict(tensors, memory).seconds == pytest.approx(truth, rel=0.01), name


def test_no_figure_is_negative_and_intervals_hold_the_figures() -> None:
    noise = np.random.default_rng(0)
    (evidence,) = gather_evidence(
        cells({"x": (0.0, 1e-6, 2.0)}, noise=lambda *_: float(np.exp(noise.normal(0, 0.1))))
    )
    fit = fit_cost(evidence, "x")
    assert fit is not None
    assert min(fit.figures) >= 0
    assert all(
        low <= f <= high for low, f, high in zip(fit.low, fit.figures, fit.high, strict=True)
    )
    assert fit.low[2] <= 2.0 <= fit.high[2]
    assert fit.spread > 0.01
    assert fit.worst_model in MODELS


def test_a_model_left_out_is_predicted_and_intervals_hold_it() -> None:
    noise = np.random.default_rng(1)
    (evidence,) = gather_evidence(cells(noise=lambda *_: float(np.exp(noise.normal(0, 0.05)))))
    judged = leave_one_out(evidence)
    assert len(judged) == len(COSTS) * len(MODELS)
    assert judged["error"].abs().median() < 0.2
    assert judged["covered"].mean() > 0.7


def test_what_is_left_out_is_not_known() -> None:
    """The error of a model that behaves unlike all others shows in its own prediction."""
    odd = cells(noise=lambda _, model: 3.0 if model == "transformer" else 1.0)
    (evidence,) = gather_evidence(odd)
    judged = leave_one_out(evidence).set_index(["strategy", "model"])["error"]
    assert judged["fused", "transformer"] == pytest.approx(1 / 3 - 1, abs=0.1)


def test_leaving_a_model_out_takes_its_bandwidth_control_along() -> None:
    (evidence,) = gather_evidence(cells())
    size = evidence.measurements.loc[evidence.measurements["model"] == "large", "size"].iloc[0]
    rest = evidence.without(size)
    assert size not in set(rest.measurements["size"]) | set(rest.controls["size"])
    assert rest.memory.log_bytes[-1] < evidence.memory.log_bytes[-1]


def test_too_few_models_have_no_fit() -> None:
    models = {name: MODELS[name] for name in ("linear", "small", "deep")}
    (evidence,) = gather_evidence(cells(models=models))
    assert fit_cost(evidence, "fused") is None


def test_wrong_cells_are_never_used() -> None:
    stored = cells()
    broken = (stored["strategy"] == "flat") & (stored["model"] == "wide")
    stored.loc[broken, ["status", "reason", "update_s"]] = ["wrong", "off by 9 ulp", 1e-12]
    (evidence,) = gather_evidence(stored)
    assert "wide" in evidence.unfit["flat"]
    own = evidence.measurements[evidence.measurements["strategy"] == "flat"]
    assert "wide" not in set(own["model"])


def test_noise_widens_the_intervals() -> None:
    def width(noise: float) -> float:
        rows = cells(noise=lambda s, m: 1 + noise * (-1) ** len(m))
        (evidence,) = gather_evidence(rows)
        fit = fit_cost(evidence, "fused")
        assert fit is not None
        found = fit.predict(100, memory_s(1e8))
        return found.high / found.low

    assert width(0.0) < 1.001 < width(0.02) < width(0.1)


@given(st.lists(st.tuples(st.floats(1, 1e12), st.floats(1e-7, 10)), min_size=1, max_size=12))
def test_memory_never_gets_faster_with_more_bytes(controls: list[tuple[float, float]]) -> None:
    memory = Memory.of(*zip(*controls, strict=True))  # type: ignore[arg-type]
    seconds = memory.seconds(np.geomspace(0.1, 1e14, 200))
    assert (np.diff(np.log(seconds)) >= -1e-9).all()
    last = max(size for size, _ in controls)
    double = float(memory.seconds(4 * last)) / float(memory.seconds(2 * last))
    assert double == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("left", "label"),
    [
        *((None, None), (float("nan"), None), (0.0, "bandwidth"), (0.33, "bandwidth")),
        *((0.5, "mixed"), (0.7, "dispatch"), (1.2, "dispatch")),
    ],
)
def test_the_bottleneck_follows_its_evidence(left: float | None, label: str | None) -> None:
    assert bottleneck(left) == label
    assert bottleneck(left, computes=True) == ("compute" if label == "bandwidth" else label)
    overhead = "overhead" if label == "bandwidth" else label
    for computes in (False, True):
        assert bottleneck(left, computes=computes, roofline_fraction=0.05) == overhead
    assert bottleneck(left, roofline_fraction=0.34) == label
    assert bottleneck(left, roofline_fraction=float("nan")) == label
