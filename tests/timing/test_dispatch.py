from collections.abc import Callable, Sequence

import pytest
import torch
from torch.nn import Parameter

from gradbench.devices.base import Counts, Device, Timing
from gradbench.devices.cpu import Cpu
from gradbench.request.block import Cell
from gradbench.rules.base import Rule, Slots
from gradbench.statistics.bottleneck import bottleneck
from gradbench.strategies.base import Binding, Strategy
from gradbench.timing.contender import Contender
from gradbench.timing.dispatch import dispatch_seconds, small_shapes
from gradbench.timing.losses import Losses
from tests.conftest import SHAPES, make


class Elementary(Strategy):
    """Takes a second per call and a millisecond per element, on the clock below."""

    def __init__(self, clock: "Clock", tensor_s: float = 1.0) -> None:
        self.clock, self.tensor_s, self.steps = clock, tensor_s, 0

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        def step() -> None:
            self.steps += 1
            for parameter in parameters:
                self.clock.now += self.tensor_s + 1e-3 * parameter.numel()

        return Binding(step)


class Clock(Cpu):
    """A CPU whose time only passes as it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        start = self.now
        for _ in range(calls):
            call()
        return Timing(self.now - start, self.now - start, None, 0)

    def count(self, call: Callable[[], object]) -> Counts:
        raise NotImplementedError


def test_the_calls_are_timed_without_the_bytes() -> None:
    clock = Clock()
    zeroing = make("zeroing", "set_to_none")
    contender = Contender(Cell("elementary", "set_to_none"), Elementary(clock), zeroing)
    twin = Contender(Cell("elementary", "set_to_none", "twin"), Elementary(clock), zeroing)
    losses = Losses()
    found = dispatch_seconds(
        clock, make("rule", "sgd"), SHAPES, torch.float32, [contender, twin], losses
    )
    assert losses == {}
    assert found == pytest.approx(dict.fromkeys(("elementary/set_to_none", "twin"), 5 * 1.002))
    elements = sum(shape.numel() for shape in SHAPES)
    assert bottleneck(5.01 / (5 + 1e-3 * elements)) == "dispatch"
    assert bottleneck(5.01 / (5 + 1e-3 * elements * 100)) == "bandwidth"


@pytest.mark.parametrize(("tensor_s", "samples"), [(1e-3, 5), (5e-3, 2), (1.0, 1)])
def test_updates_that_take_long_are_sampled_less(tensor_s: float, samples: int) -> None:
    clock = Clock()
    strategy = Elementary(clock, tensor_s)
    contender = Contender(Cell("elementary", "z"), strategy, make("zeroing", "set_to_none"))
    found = dispatch_seconds(
        clock, make("rule", "sgd"), SHAPES, torch.float32, [contender], Losses()
    )
    assert strategy.steps == 2 + samples
    assert found["elementary/z"] == pytest.approx(5 * (tensor_s + 2e-3))


class CompiledForItsShapes(Elementary):
    """Would take seconds to compile the small tensors, too."""

    @property
    def shapes_compiled(self) -> bool:
        return True

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        raise AssertionError("bound")


def test_what_is_compiled_for_its_shapes_is_left_out() -> None:
    clock = Clock()
    zeroing = make("zeroing", "set_to_none")
    contenders = [
        Contender(Cell("compiled", "set_to_none"), CompiledForItsShapes(clock), zeroing),
        Contender(Cell("elementary", "set_to_none"), Elementary(clock), zeroing),
    ]
    losses = Losses()
    found = dispatch_seconds(clock, make("rule", "sgd"), SHAPES, torch.float32, contenders, losses)
    assert losses == {}
    assert set(found) == {"elementary/set_to_none"}
    assert make("strategy", "optimizer_compiled").shapes_compiled


@pytest.mark.parametrize(
    ("used", "computes", "named"),
    [
        (0.9, False, "bandwidth"),
        (0.9, True, "compute"),
        (1.2, False, "bandwidth"),  # the caches helped
        (0.6, False, None),  # what the rest goes into is not known
        (None, False, None),
    ],
)
def test_without_a_figure_for_the_calls_the_ceiling_may_tell(
    used: float | None, computes: bool, named: str | None
) -> None:
    assert bottleneck(None, computes=computes, roofline_fraction=used) == named
    assert (
        bottleneck(0.5, computes=computes, roofline_fraction=used) == "mixed"
    )  # what is measured counts


def test_sizes_stay_as_many_and_in_order_where_the_shape_matters() -> None:
    shapes = [torch.Size(s) for s in ((768, 3072), (3072, 768), (768,), (50257, 768), (), (1, 9))]
    muon = small_shapes(make("rule", "muon"), shapes)
    assert [tuple(s) for s in muon] == [(4, 5), (5, 4), (4,), (6, 4), (2,), (2, 3)]
    sgd = small_shapes(make("rule", "sgd"), shapes)
    assert [tuple(s) for s in sgd] == [(2, 1), (2, 1), (2,), (2, 1), (2,), (2, 1)]


@pytest.mark.parametrize("rule", ["sgd", "adamw"])
@pytest.mark.parametrize("name", ["no_grad", "foreach", "optimizer", "optimizer_fused", "flat"])
def test_every_kind_of_strategy_runs_on_two_elements(
    name: str, rule: str, hardware: Device
) -> None:
    assert_runs(name, rule, hardware)


@pytest.mark.parametrize("name", ["no_grad", "foreach", "optimizer", "batched"])
def test_muon_runs_on_few_elements(name: str, hardware: Device) -> None:
    assert_runs(name, "muon", hardware)


def assert_runs(name: str, rule: str, hardware: Device) -> None:
    contender = Contender(
        Cell(name, "set_to_none"), make("strategy", name), make("zeroing", "set_to_none")
    )
    losses = Losses()
    found = dispatch_seconds(
        hardware, make("rule", rule), SHAPES, torch.float32, [contender], losses
    )
    assert losses == {}
    assert 0 < found[f"{name}/set_to_none"] < 1
