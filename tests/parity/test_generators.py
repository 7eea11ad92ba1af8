import math

import pytest
import torch

from gradbench.parity.cases import LONG, Case, Member, gradient_values
from gradbench.parity.catalogue import COMPILED, catalogue, entry
from gradbench.parity.layouts import layouts
from gradbench.parity.minimise import minimise
from gradbench.parity.options import base, build, full, in_group, pairwise, structural, varied
from gradbench.parity.position import POSITIONS, place
from gradbench.parity.truth import Truths, error

ENTRIES = {found.name: found for found in catalogue()}
SGD = ENTRIES["SGD"]


def test_implementations_come_from_the_signature() -> None:
    assert set(SGD.implementations()) >= {"for_loop", "foreach", "fused", COMPILED}
    assert "capturable" not in SGD.implementations()
    assert "fused" not in ENTRIES["Rprop"].implementations()


@pytest.mark.parametrize("name", ENTRIES)
def test_every_set_of_options_is_accepted(name: str) -> None:
    made = ENTRIES[name]
    assert base(made) in full(made) or not structural(made)
    for options in full(made):
        made.make([torch.zeros(2, 2, requires_grad=True)], **build(options))


def test_options_meet_in_every_way_that_the_constructor_takes() -> None:
    sets = [dict(options) for options in full(SGD)]
    assert any(o.get("nesterov") and o.get("momentum") for o in sets)
    assert not any(o.get("nesterov") and not o.get("momentum") for o in sets)
    pairs = [dict(options) for options in pairwise(SGD)]
    assert any(o.get("momentum") and o.get("weight_decay") for o in pairs)
    assert len(pairs) < len(sets)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (2, 3, 4, 5), (0, 3)])
def test_a_view_stays_inside_its_storage_whatever_a_kernel_takes_it_for(
    shape: tuple[int, ...], position: str
) -> None:
    view = place(shape, position)
    if view is None:
        return
    assert int(view.inside().sum()) <= math.prod(shape)
    assert view.offset + math.prod(shape) <= view.span  # as if contiguous
    assert 2 * view.offset + math.prod(shape) <= view.span  # its offset counted twice
    if position not in ("contiguous", "misaligned"):
        tensor = torch.zeros(view.span).as_strided(view.shape, view.stride, view.offset)
        assert not tensor.is_contiguous()


def test_every_position_is_met() -> None:
    lists = layouts(torch.float32).values()
    met = {(m.parameter, m.gradient) for members in lists for m in members}
    assert {side for pair in met for side in pair} >= set(POSITIONS)


def test_the_truth_is_float64_and_its_tolerance_is_a_few_ulps() -> None:
    case = Case("SGD", "for_loop", (("lr", 0.125),), torch.float32, "x", (Member((2, 3)),))
    (truth,) = Truths(SGD).of(case)
    assert truth.parameters[0].dtype == torch.float64
    assert truth.unit == torch.float32
    assert 1 < truth.tolerance[0] <= truth.tolerance[1] < 30
    off = truth.parameters[0] * (1 + 1e-4)
    assert error(off, truth.parameters[0], truth.scales[0], truth.unit) > truth.tolerance[0]


def test_the_unit_is_the_coarsest_type_that_the_for_loop_computes_in() -> None:
    case = Case("Muon", "for_loop", (("lr", 0.125),), torch.float32, "x", (Member((2, 3)),))
    (truth,) = Truths(ENTRIES["Muon"]).of(case)
    assert truth.unit == torch.bfloat16


def test_minimising_keeps_what_is_needed_and_nothing_else() -> None:
    members = (Member((4, 6), 1, "strided", "transposed"), Member((3, 3), values="small"))
    options = (("lr", 0.125), ("momentum", 0.125), ("maximize", True))
    case = Case("SGD", "fused", options, torch.bfloat16, "x", members)

    def fails(case: Case) -> bool:
        return dict(case.options).get("momentum") == 0.125 and any(
            member.gradient == "transposed" for member in case.members
        )

    small = minimise(case, fails)
    assert small.options == (("lr", 0.125), ("momentum", 0.125))
    assert small.members == (Member((2, 2), gradient="transposed"),)
    assert (small.dtype, small.steps) == (torch.float32, 1)


def test_an_optimizer_of_ones_own_can_be_described() -> None:
    class Mine(torch.optim.SGD):
        pass

    assert entry(Mine).name == "Mine"


def test_a_further_group_has_other_options_throughout() -> None:
    options = (("lr", 0.125), ("amsgrad", True), ("weight_decay", 0.125))
    adam = ENTRIES["Adam"]
    assert in_group(adam, options, 0) == options
    second = dict(in_group(adam, options, 1))
    assert second["lr"] == second["weight_decay"] == 0.875 * 0.125
    assert second["amsgrad"] is False
    assert second["betas"] == (0.875 * 0.9, 0.875 * 0.999)
    assert second["eps"] == 0.875 / 64  # 1e-8 would be seen nowhere


def test_a_varying_gradient_has_a_zero_step_and_rises_again() -> None:
    member = Member((3, 3), values="varying")
    largest = [float(gradient_values(member, t, torch.float64).abs().max()) for t in range(LONG)]
    assert min(largest) == 0
    assert largest[3] > largest[0] > largest[1] > 0


def test_a_number_that_takes_no_other_is_doubled() -> None:
    rows = map(dict, varied(ENTRIES["Adafactor"]))
    assert {row["d"] for row in rows if "d" in row} == {2.0}
