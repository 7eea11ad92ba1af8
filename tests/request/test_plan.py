from collections.abc import Callable

import pytest
from omegaconf import OmegaConf

from gradbench.errors import BadRequest
from gradbench.request.block import Block
from gradbench.request.plan import plan_block
from tests.conftest import Compose

Plan = Callable[..., Block]


def test_cells_are_the_product_with_controls(plan: Plan) -> None:
    block = plan("strategy=[no_grad,foreach]", "zeroing=[set_to_zero,accumulate]")
    names = [(cell.name, cell.role) for cell in block.cells]
    assert names == [
        ("optimizer/set_to_zero", "baseline"),
        ("no_grad/set_to_zero", "candidate"),
        ("no_grad/accumulate", "candidate"),
        ("foreach/set_to_zero", "candidate"),
        ("foreach/accumulate", "candidate"),
        ("twin", "twin"),
        ("bandwidth", "bandwidth"),
    ]


def test_baseline_is_not_a_candidate_twice(plan: Plan) -> None:
    block = plan("strategy=[optimizer,foreach]", "zeroing=[set_to_none]")
    assert [cell.role for cell in block.cells] == ["baseline", "candidate", "twin", "bandwidth"]


def test_name_changes_with_what_changes_the_figures(plan: Plan) -> None:
    name = plan().name
    assert plan().name == name
    for override in ("seed=1", "threads=2", "rule.lr=0.5", "zeroing=all", "dtype=float64"):
        assert plan(override).name != name, override
    assert plan("run=other", "output=elsewhere").name == name


def test_name_is_a_file_name(plan: Plan) -> None:
    name = plan("model=custom", "model.factory=a.b:c").name
    assert "/" not in name
    assert ":" not in name


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("strategy=[]", "strategy"),
        ("zeroing=[]", "zeroing"),
        ("threads=0", "threads"),
        ("seed=-1", "seed"),
        ("run=a/b", "run"),
        ("measurement.budget_s=-1", "measurement.budget_s"),
        ("measurement.replicates=1", "measurement.replicates"),
        ("measurement.verify_updates=1", "measurement.verify_updates"),
        ("strategy@baseline=[no_grad,foreach]", "baseline"),
    ],
)
def test_bad_request_names_the_option(composed: Compose, override: str, named: str) -> None:
    config = composed(override)
    OmegaConf.set_struct(config, False)
    with pytest.raises(BadRequest, match=named):
        plan_block(config)


def test_missing_factory_is_named(composed: Compose) -> None:
    with pytest.raises(BadRequest, match=r"model\.factory"):
        plan_block(composed("model=custom"))
