"""What real training brings, and how a strategy answers: right, a refusal, or wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots, Unavailable
from gradbench.strategies.base import Binding, Strategy
from gradbench.verify.examination import Examination, Examiner
from gradbench.verify.situations import (
    BY_AUTOGRAD,
    BY_HAND,
    CHANGING,
    OTHER_DTYPE,
    SITUATIONS,
    Part,
    gradient_numbers,
    joined,
    make_gradient,
    make_parameter,
)
from tests.approximate import EightBit
from tests.conftest import CPU, make, options
from tests.mutants import StepsWithoutGradient

STRATEGIES = sorted(options("strategy"))


def examined(strategy: Strategy, rule_name: str = "adamw") -> Examination:
    torch.manual_seed(0)
    return Examiner(make("rule", rule_name), torch.float32, CPU).examine(strategy)


class Changed(Strategy):
    """A right strategy that does something else to one parameter before it is updated."""

    def __init__(self, change: Callable[[Parameter], object]) -> None:
        self.change = change

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        inner: Binding = make("strategy", "no_grad").bind(rule, parameters, slots)

        def step() -> None:
            for parameter in parameters:
                self.change(parameter)
            inner.step()

        return Binding(step, set_lr=inner.set_lr)


def zero_nan(parameter: Parameter) -> None:
    if parameter.grad is not None:
        parameter.grad = parameter.grad.nan_to_num(0.0, 0.0, 0.0)


def scramble_strided(parameter: Parameter) -> None:
    if parameter.grad is not None and not parameter.grad.is_contiguous():
        parameter.grad = torch.as_strided(parameter.grad, parameter.shape, parameter.stride())


def scalars_stay(parameter: Parameter) -> None:
    if parameter.dim() == 0:
        parameter.grad = None


def refuse_scalars(parameter: Parameter) -> None:
    if parameter.dim() == 0:
        raise Unavailable("no scalars here")


@pytest.mark.parametrize("name", [s for s in STRATEGIES if "compiled" not in s])
@pytest.mark.parametrize("rule_name", ["adamw", "lion"])
def test_no_strategy_is_wrong_in_what_training_brings(name: str, rule_name: str) -> None:
    strategy: Strategy = make("strategy", name)
    rule: Rule = make("rule", rule_name)
    if strategy.supports(rule, CPU, torch.float32) is not None:
        pytest.skip("does not run here")
    found = examined(strategy, rule_name)
    assert found.reason is None
    names = [situation.name for situation in SITUATIONS]
    for answer in (*found.refuses, *found.wrong_with):
        assert any(answer.startswith(f"{known} (") for known in names)
    assert found.updates == 5  # it shows its state
    assert found.power >= 4


def test_a_step_without_a_gradient_is_wrong() -> None:
    reason = examined(StepsWithoutGradient()).reason
    assert reason is not None
    assert "with a parameter without a gradient, values are off" in reason


@pytest.mark.parametrize(
    ("change", "said"),
    [(zero_nan, "non-finite gradients"), (scalars_stay, "a zero-dim parameter")],
)
def test_what_is_done_in_silence_is_wrong(change: Callable[[Parameter], object], said: str) -> None:
    reason = examined(Changed(change)).reason
    assert reason is not None
    assert said in reason


def test_a_refusal_is_named_with_what_it_says() -> None:
    found = examined(Changed(refuse_scalars))
    assert found.reason is None
    assert "a zero-dim parameter (no scalars here)" in found.refuses


def test_a_gradient_by_hand_that_is_misread_is_named_and_not_wrong() -> None:
    found = examined(Changed(scramble_strided))
    assert found.reason is None
    assert any(answer.startswith("a transposed gradient (") for answer in found.wrong_with)


@pytest.mark.parametrize(
    ("dims", "strided", "said"),
    [
        ({0, 4}, False, "a zero-dim parameter"),
        ({0, 4}, True, "a transposed gradient"),
    ],
)
def test_what_is_wrong_only_together_is_seen(dims: set[int], strided: bool, said: str) -> None:
    """Each situation alone is met well."""

    class Together(Changed):
        def bind(
            self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]
        ) -> Binding:
            inner = super().bind(rule, parameters, slots)

            def step() -> None:
                by_hand = [p for p in parameters if p.grad is not None and not _alike(p)]
                if dims <= {p.dim() for p in parameters} and (by_hand or not strided):
                    parameters[0].grad = None
                inner.step()

            return Binding(step, set_lr=inner.set_lr)

    found = examined(Together(id))
    if strided:
        assert found.reason is None
        assert [said in answer and "zero-dim" in answer for answer in found.wrong_with] == [True]
    else:
        assert found.reason is not None
        assert said in found.reason
        assert "channels_last" in found.reason


def _alike(parameter: Parameter) -> bool:
    return parameter.grad is None or parameter.grad.stride() == parameter.stride()


def test_a_learning_rate_that_stays_is_wrong_and_a_fixed_one_is_said() -> None:
    class Deaf(Changed):
        def bind(
            self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]
        ) -> Binding:
            inner = super().bind(rule, parameters, slots)
            return Binding(inner.step, set_lr=lambda lr: None)

    reason = examined(Deaf(id)).reason
    assert reason is not None
    assert "a learning rate that changes" in reason

    class Fixed(Changed):
        def bind(
            self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]
        ) -> Binding:
            return Binding(super().bind(rule, parameters, slots).step)

    found = examined(Fixed(id))
    assert found.reason is None
    assert any("the learning rate is fixed" in answer for answer in found.refuses)


def test_a_wrong_state_is_seen_where_it_is_shown_and_one_that_is_hidden_takes_more_updates() -> (
    None
):
    class Shows(Strategy):
        hides = False
        spoiled = 1.0

        def bind(
            self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]
        ) -> Binding:
            own = [{name: torch.zeros_like(t) for name, t in row.items()} for row in slots]
            inner: Binding = make("strategy", "no_grad").bind(rule, parameters, own)

            def state() -> list[dict[str, Tensor]]:
                return [{name: t * self.spoiled for name, t in row.items()} for row in own]

            return Binding(inner.step, set_lr=inner.set_lr, state=None if self.hides else state)

    right = Shows()
    assert (examined(right).reason, examined(right).updates) == (None, 5)
    right.hides = True
    assert (examined(right).reason, examined(right).updates) == (None, 10)
    right.hides, right.spoiled = False, 1.1
    reason = examined(right).reason
    assert reason is not None
    assert "exp_avg" in reason


def test_what_is_joined_has_every_part_once_and_all_that_is_asked() -> None:
    once = joined(BY_AUTOGRAD + BY_HAND + CHANGING)
    asked = {part for s in SITUATIONS if not s.other_dtype for part in s.parts}
    assert len(once.parts) == len(set(once.parts))
    assert set(once.parts) == asked
    assert once.changes_lr
    assert not once.other_dtype
    assert {*BY_AUTOGRAD, *BY_HAND, *CHANGING, *OTHER_DTYPE} == set(SITUATIONS)


def test_a_right_strategy_meets_all_in_three_trials() -> None:
    met: list[int] = []
    strategy: Strategy = make("strategy", "no_grad")
    examiner = Examiner(make("rule", "sgd"), torch.float32, CPU)
    assert examiner.examine(strategy, between=lambda: met.append(1)).reason is None
    assert len(met) == 3  # each with a graph of its own, where it compiles


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "channels_last"])
def test_a_layout_keeps_the_values(layout: str) -> None:
    shape = (2, 3, 4, 5) if layout == "channels_last" else (6, 20)
    numbers = torch.arange(120.0)
    part = Part(shape, layout=layout)
    parameter, gradient = make_parameter(part, numbers), make_gradient(part, numbers)
    assert torch.equal(parameter.detach(), numbers.view(shape))
    assert parameter.stride() == gradient.stride()
    assert parameter.is_contiguous() == (layout == "contiguous")
    assert parameter.data_ptr() != numbers.data_ptr()


@pytest.mark.parametrize("arriving", ["transposed", "view", "expanded"])
def test_a_gradient_by_hand_is_what_its_numbers_say(arriving: str) -> None:
    part = Part((4, 3), gradient=arriving)
    [given] = gradient_numbers(part, [torch.randn(12).double()])
    assert given is not None
    gradient = make_gradient(part, given)
    assert torch.equal(gradient, given.view(4, 3))
    assert not gradient.is_contiguous()


def test_an_examination_is_told_in_plain_values() -> None:
    for strategy in (make("strategy", "no_grad"), EightBit()):
        found = examined(strategy)
        assert Examination.from_values(asdict(found)) == found
