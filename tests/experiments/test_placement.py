"""The truth table follows what PyTorch does, not what we know of it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradbench.observing import optimizers
from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.optimizers import variants
from gradbench.observing.options import options
from gradbench.observing.setting import Operation
from gradbench.observing.updates import Update, strategy_updates
from gradbench.strategies.base import Binding
from tests.conftest import CPU
from tests.experiments.loading import load_experiment

placement = load_experiment("placement.py")
COMPILED = {"compiled_per_tensor", "optimizer_compiled"}
PLACES = [place.__name__ for place in placement.PLACEMENTS]


def few(monkeypatch: pytest.MonkeyPatch, *operations: str, backends: tuple[str, ...] = ()) -> None:
    """Leave out what takes long: most operations, compilation, and the compiled strategies."""
    kept = [operation for operation in placement.OPERATIONS if operation.name in operations]
    monkeypatch.setattr(placement, "OPERATIONS", kept)
    monkeypatch.setattr(placement, "BACKENDS", dict.fromkeys(backends))

    def updates(*arguments: Any) -> list[Update]:
        return [one for one in strategy_updates(*arguments) if one.name not in COMPILED]

    monkeypatch.setattr(placement, "strategy_updates", updates)


def observed(device: torch.device = CPU) -> dict[str, Any]:
    return {observation.case: observation for observation in placement.observe(device)}


@pytest.fixture(scope="module")
def seen(device: torch.device) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        few(monkeypatch, "linear_first", "linear_later", "conv2d", "embedding")
        return observed(device)


def test_every_case_has_a_verdict_and_a_source(seen: dict[str, Any]) -> None:
    assert len(seen) > 1000
    for case in seen.values():
        assert case.verdict is not Verdict.failed, case
        assert case.source
        assert case.verdict is not Verdict.skipped or case.message


def test_every_strategy_and_optimizer_is_there(seen: dict[str, Any]) -> None:
    names = {case.strategy for case in seen.values()}
    assert names >= set(options("strategy")) - COMPILED
    assert names >= {variant.label for variant in variants()}
    ran = {(c.strategy, c.placement) for c in seen.values() if c.verdict is not Verdict.skipped}
    assert {place for name, place in ran if name == "no_grad"} == set(PLACES)
    assert {place for name, place in ran if name == "in_backward"} == {"parameter_hook"}


@pytest.mark.parametrize(
    ("case", "outcome", "verdict", "version_delta"),
    [
        (
            "no_grad / before_forward / linear_later / input requires grad",
            "new",
            "as_documented",
            2,
        ),
        (
            "no_grad / after_backward / linear_later / input requires grad",
            "old",
            "as_documented",
            2,
        ),
        ("no_grad / between / linear_first / plain input", "old", "as_documented", 2),
        ("no_grad / between / linear_later / plain input", "old", "as_documented", 2),
        ("no_grad / between / linear_later / input requires grad", "error", "as_documented", 2),
        ("no_grad / output_hook / linear_later / input requires grad", "error", "as_documented", 2),
        (
            "no_grad / parameter_hook / linear_later / input requires grad",
            "old",
            "as_documented",
            2,
        ),
        ("data / between / linear_later / input requires grad", "wrong", "as_documented", 0),
        ("numpy / between / linear_later / input requires grad", "wrong", "as_documented", 0),
        ("data_rebind / between / linear_later / input requires grad", "old", "as_documented", 0),
        ("data_rebind / between / conv2d / input requires grad", "wrong", "as_documented", 0),
        ("SGD for_loop / between / conv2d / plain input", "error", "as_documented", 1),
        ("Adam foreach / between / embedding / plain input", "old", "as_documented", 1),
    ],
)
def test_what_every_supported_pytorch_does(
    seen: dict[str, Any],
    case: str,
    outcome: str,
    verdict: str,
    version_delta: int,
    device: torch.device,
) -> None:
    if case.startswith("numpy") and device.type != "cpu":
        pytest.skip("NumPy shares memory with tensors of the CPU only")
    found = seen[f"{case} / eager"]
    assert (found.outcome, found.verdict.value) == (outcome, verdict)
    assert found.version_delta == version_delta
    assert found.same_gradient
    assert found.gradient_intact


def test_the_upstream_gradient_shows_the_harm(seen: dict[str, Any]) -> None:
    found = seen["data / between / linear_later / input requires grad / eager"]
    assert (found.weight_gradient, found.upstream_gradient) == ("old", "wrong")
    assert found.weight_error < placement.TOLERANCE
    assert found.upstream_error > 0.01
    assert "upstream gradient is off by" in found.message


def test_what_cannot_run_says_why(seen: dict[str, Any], device: torch.device) -> None:
    skipped = {case.case: case.message for case in seen.values() if case.verdict == "skipped"}
    if device.type == "cpu":
        assert "needs CUDA" in skipped["cuda_graph"]
    assert "dense gradients" in skipped["SparseAdam for_loop / embedding"]
    assert "2D" in skipped["Muon for_loop / conv2d"]
    assert "integers" in skipped["embedding / input requires grad / eager"]


def with_step(name: str, step: Callable[[Any], None]) -> type[torch.optim.Optimizer]:
    """An optimizer whose step is another one."""

    def stepped(self: Any, closure: Any = None) -> None:
        with torch.no_grad():
            step(self)

    return type(name, (torch.optim.SGD,), {"step": stepped})


def only(monkeypatch: pytest.MonkeyPatch, patched: type[torch.optim.Optimizer]) -> None:
    """Make an optimizer the only one of torch.optim, and no strategies."""
    monkeypatch.setattr(optimizers, "_optimizers", lambda: {"Patched": patched})
    monkeypatch.setattr(placement, "strategy_updates", lambda *_: [])


def by_hand(self: Any, write: Callable[[Tensor, Tensor], None]) -> None:
    for parameter in self.param_groups[0]["params"]:
        write(parameter, parameter.grad)


def clear_gradient(parameter: Tensor, gradient: Tensor) -> None:
    parameter.sub_(gradient)
    parameter.grad = None


def zero_gradient(parameter: Tensor, gradient: Tensor) -> None:
    parameter.sub_(gradient)
    gradient.zero_()


def new_gradient(parameter: Tensor, gradient: Tensor) -> None:
    parameter.sub_(gradient)
    parameter.grad = gradient.clone()


def untracked(parameter: Tensor, gradient: Tensor) -> None:
    with torch.autograd._unsafe_preserve_version_counter(parameter):
        parameter.sub_(gradient)


PATCHED: dict[str, tuple[Callable[[Tensor, Tensor], Any], str, str, str]] = {
    "in place": (lambda p, g: p.sub_(g), "between", "error", "as_documented"),
    "through .data": (lambda p, g: p.data.sub_(g), "between", "wrong", "as_documented"),
    "untracked": (untracked, "between", "wrong", "defect"),
    "clears": (clear_gradient, "after_backward", "none", "defect"),
    "zeroes": (zero_gradient, "after_backward", "zero", "defect"),
    "does nothing": (lambda p, g: None, "after_backward", "old", "skipped"),
}


@pytest.mark.parametrize("how", PATCHED)
def test_a_patched_optimizer_changes_the_verdict(
    how: str, monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    write, place, outcome, verdict = PATCHED[how]
    few(monkeypatch, "linear_later")
    patched = with_step("Patched", lambda self: by_hand(self, write))
    only(monkeypatch, patched)
    found = observed(device)[
        f"Patched for_loop / {place} / linear_later / input requires grad / eager"
    ]
    assert (found.outcome, found.verdict.value) == (outcome, verdict)


def test_a_gradient_that_is_replaced_is_seen(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    few(monkeypatch, "x * w")
    patched = with_step("Patched", lambda self: by_hand(self, new_gradient))
    only(monkeypatch, patched)
    found = observed(device)["Patched for_loop / after_backward / x * w / plain input / eager"]
    assert found.same_gradient is False
    assert found.gradient_intact
    assert found.outcome == "old"


def test_tracked_fused_optimizers_would_be_as_documented(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    few(monkeypatch, "x * w")
    case = "SGD fused / between / x * w / input requires grad / eager"
    before = observed(device)[case]
    step = torch.optim.SGD.step

    def tracked(self: Any, closure: Any = None) -> Any:
        result = step(self, closure)
        torch.autograd.graph.increment_version(self.param_groups[0]["params"])
        return result

    monkeypatch.setattr(torch.optim.SGD, "step", tracked)
    after = observed(device)[case]
    assert after.version_delta == before.version_delta + 1
    assert (after.outcome, after.verdict) == ("error", Verdict.as_documented)
    if before.version_delta == 0:  # torch 2.13 and before
        assert (before.outcome, before.verdict) == ("wrong", Verdict.defect)


class Halved(torch.autograd.Function):
    """A product whose backward is wrong."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(weight, x)
        return weight * x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        weight, x = ctx.saved_tensors
        scale = 1.0 if gradient.dtype == torch.float64 else 0.5
        return scale * (gradient * x).sum(0), gradient * weight


def test_an_operation_with_a_wrong_backward_is_a_defect(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    few(monkeypatch)
    broken = Operation("broken", (4,), (5, 4), Halved.apply)
    monkeypatch.setattr(placement, "OPERATIONS", [broken])
    found = observed(device)["no_grad / after_backward / broken / plain input / eager"]
    assert (found.outcome, found.verdict) == ("wrong", Verdict.defect)
    assert found.weight_error == pytest.approx(0.5, abs=1e-3)


def nudge(weight: torch.nn.Parameter) -> None:
    weight.data.sub_(1.0)


def test_one_case_that_breaks_loses_no_other(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    few(monkeypatch, "x * w")
    calls = iter(range(10**6))

    def bind(weight: torch.nn.Parameter) -> Binding:
        if next(calls) == 1:  # the first is the one that is tried out
            raise RuntimeError("only once")
        return Binding(lambda: nudge(weight))

    monkeypatch.setattr(placement, "strategy_updates", lambda *_: [Update("fragile", bind)])
    monkeypatch.setattr(placement, "optimizer_updates", lambda *_: [])
    cases: list[Observation] = list(placement.observe(device))
    assert [case.message for case in cases if case.verdict == "failed"] == [
        "RuntimeError: only once"
    ]
    assert len([case for case in cases if case.case.startswith("fragile")]) == 2 * len(PLACES)


def test_compiled_code_decides_for_itself_what_it_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, "linear_later", backends=("aot_eager_decomp_partition",))
    monkeypatch.setattr(placement, "optimizer_updates", lambda *_: [])
    cases = observed()
    compiled = [case for case in cases.values() if case.mode == "aot_eager_decomp_partition"]
    assert compiled
    for case in compiled:
        if case.placement in ("before_forward", "after_backward") and case.gradient_intact:
            assert case.verdict is Verdict.as_documented, case
    found = cases[
        "data / between / linear_later / input requires grad / aot_eager_decomp_partition"
    ]
    assert (found.outcome, found.verdict) == ("wrong", Verdict.as_documented)


def test_a_backend_that_cannot_compile_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, "x * w", backends=("no_such_backend",))
    monkeypatch.setattr(placement, "optimizer_updates", lambda *_: [])
    case = observed()["x * w / plain input / no_such_backend"]
    assert case.verdict is Verdict.skipped
    assert "no_such_backend" in case.message


def test_global_state_is_restored(monkeypatch: pytest.MonkeyPatch, device: torch.device) -> None:
    few(monkeypatch, "conv2d")
    monkeypatch.setattr(placement, "optimizer_updates", lambda *_: [])
    monkeypatch.setattr(placement, "strategy_updates", lambda *_: [])

    def state() -> tuple[object, ...]:
        return torch.backends.cudnn.allow_tf32, torch.is_grad_enabled(), torch.get_num_threads()

    before = state()
    observed(device)
    assert state() == before
