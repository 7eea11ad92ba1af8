"""Every failure is seen here, every fix and twin is fine, and a patched PyTorch changes that."""

import contextlib
import io
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from gradbench.observing.failure_mode import FailureMode, FailureObservation, observe_modes
from gradbench.observing.observation import Verdict
from gradbench.observing.symptom import State, examine
from gradbench.request.schema import experiments_folder
from tests.conftest import CPU
from tests.experiments.loading import load_experiment

FILES = sorted((experiments_folder() / "failure_modes").glob("*.py"))
FINE_ON_CUDA = {
    "duplicated_in_group",  # the foreach kernel's two updates race, and one is lost
    "running_statistics_updated",  # the kernel saves the statistics that it used
}
"""What goes wrong on the CPU only (seen with torch 2.11 on an H100)."""
SEEN = (Verdict.confirmed, Verdict.as_documented, Verdict.defect)


def module(file: str) -> ModuleType:
    return load_experiment(f"failure_modes/{file}.py")


@pytest.fixture(scope="module")
def atlas(device: torch.device) -> list[FailureObservation]:
    return [o for file in FILES for o in module(file.stem).observe(device)]


def of_kind(atlas: list[FailureObservation], kind: str) -> list[FailureObservation]:
    return [o for o in atlas if o.kind == kind and o.verdict is not Verdict.skipped]


def mode(file: str, name: str) -> FailureMode:
    (found,) = (mode for mode in module(file).MODES if mode.name == name)
    assert isinstance(found, FailureMode)
    return found


def verdict(file: str, name: str, device: torch.device = CPU) -> str:
    return next(iter(observe_modes([mode(file, name)], device))).verdict.value


def test_every_failure_shows_its_symptom(
    atlas: list[FailureObservation], device: torch.device
) -> None:
    broken = of_kind(atlas, "broken")
    assert len(broken) >= 120
    if device.type == "cpu":
        assert [(o.case, o.message) for o in broken if o.verdict not in SEEN] == []
    # Elsewhere a kernel may refuse what it does wrong here: that is a symptom too.
    fine = {o.case for o in broken if o.state in ("right", "ran")}
    assert fine <= (set() if device.type == "cpu" else FINE_ON_CUDA)


def test_every_fix_and_every_twin_is_fine(atlas: list[FailureObservation]) -> None:
    others = of_kind(atlas, "fix") + of_kind(atlas, "twin")
    assert [(o.case, o.message) for o in others if o.verdict is not Verdict.confirmed] == []
    assert {o.state for o in others} == {"right"}
    assert len(others) == 2 * len(of_kind(atlas, "broken"))


def test_names_and_titles_are_unique(atlas: list[FailureObservation]) -> None:
    assert max(Counter(o.case for o in atlas).values()) == 1
    assert max(Counter(o.title for o in of_kind(atlas, "broken")).values()) == 1


def test_every_way_to_lose_a_gradient_is_there(atlas: list[FailureObservation]) -> None:
    states = {o.state for o in of_kind(atlas, "broken") if o.case not in FINE_ON_CUDA}
    assert states == {state.value for state in State} - {"right", "ran"}


def test_every_code_says_why(atlas: list[FailureObservation]) -> None:
    assert [o.case for o in atlas if not o.why.endswith((".", ")"))] == []


def test_a_defect_is_silent_against_a_promise(atlas: list[FailureObservation]) -> None:
    defects = [o for o in atlas if o.verdict is Verdict.defect]
    assert defects
    for o in defects:
        assert o.promise
        assert o.source
        assert o.outcome.endswith(", silently")


def test_what_is_documented_names_the_page(atlas: list[FailureObservation]) -> None:
    documented = [o for o in atlas if o.verdict is Verdict.as_documented]
    assert [o.case for o in documented if not o.source] == []


def test_the_code_of_every_case_runs_where_it_is_pasted(
    atlas: list[FailureObservation], device: torch.device
) -> None:
    for o in atlas:
        if o.verdict is Verdict.skipped and device.type != "cpu":
            continue
        namespace: dict[str, Any] = {}
        *definition, call = o.code.splitlines()
        exec("\n".join(definition), namespace)
        function = namespace[call.removeprefix("print(").partition("(")[0]]
        assert examine(function, device).state.value == o.state, o.case


def test_a_pasted_call_prints() -> None:
    observation = next(iter(observe_modes([mode("zeroing", "never_zeroed")], CPU)))
    assert isinstance(observation, FailureObservation)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(observation.code, {})
    assert "'got': tensor([6., 6.])" in printed.getvalue()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


def test_modes_leave_no_trace(atlas: list[FailureObservation]) -> None:
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert not torch.is_warn_always_enabled()
    assert torch.get_default_dtype() is torch.float32
    assert not torch.distributed.is_initialized()


def test_an_optimizer_that_spares_the_gradient_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    assert verdict("implementations", "gradient_rewritten", device) == "defect"
    step = torch.optim.SGD.step

    def sparing(self: torch.optim.SGD, *args: Any) -> Any:
        parameters = [p for group in self.param_groups for p in group["params"]]
        kept = [p.grad.clone() for p in parameters]
        done = step(self, *args)
        for p, gradient in zip(parameters, kept, strict=True):
            p.grad = gradient
        return done

    monkeypatch.setattr(torch.optim.SGD, "step", sparing)
    assert verdict("implementations", "gradient_rewritten", device) == "refuted"


def test_a_fused_step_that_bumps_versions_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict("unseen_writes", "fused_step_between") == "defect"
    step = torch.optim.SGD.step

    def bumping(self: torch.optim.SGD, *args: Any) -> Any:
        done = step(self, *args)
        for group in self.param_groups:
            for p in group["params"]:
                torch.autograd.graph.increment_version(p)
        return done

    monkeypatch.setattr(torch.optim.SGD, "step", bumping)
    seen = {o.case: o for o in observe_modes([mode("unseen_writes", "fused_step_between")], CPU)}
    assert seen["fused_step_between"].outcome == "error, unexpected"
    assert seen["fused_step_between"].verdict is Verdict.refuted
    assert seen["fused_step_between/fix"].verdict is Verdict.confirmed


def test_a_function_that_copies_as_promised_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    assert verdict("aliasing", "vector_to_parameters_shares", device) == "defect"
    original = torch.nn.utils.vector_to_parameters
    monkeypatch.setattr(
        torch.nn.utils,
        "vector_to_parameters",
        lambda vector, parameters: original(vector.clone(), parameters),
    )
    assert verdict("aliasing", "vector_to_parameters_shares", device) == "refuted"


def test_the_old_default_of_zeroing_changes_the_symptom(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    """Before PyTorch 2.0 a gradient read after zero_grad was zeros."""
    assert verdict("zeroing", "read_after_zeroing", device) == "as_documented"
    zero_grad = torch.optim.SGD.zero_grad
    monkeypatch.setattr(torch.optim.SGD, "zero_grad", lambda self: zero_grad(self, False))
    seen = next(iter(observe_modes([mode("zeroing", "read_after_zeroing")], device)))
    assert (seen.verdict, seen.outcome) == (Verdict.refuted, "zero, silently")


def test_a_step_that_does_nothing_breaks_fixes_and_twins(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self: None)
    seen = {o.case: o for o in observe_modes([mode("rebinding", "parameter_replaced")], device)}
    assert seen["parameter_replaced"].verdict is Verdict.confirmed
    assert seen["parameter_replaced/fix"].verdict is Verdict.refuted
    assert seen["parameter_replaced/twin"].outcome == "lost, silently"
