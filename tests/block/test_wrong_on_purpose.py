"""A user's strategies that are wrong on purpose: none is ok, whatever the hyperparameters."""

from collections.abc import Callable

import pytest

from gradbench.block.run import measure_block
from gradbench.request.block import Block
from tests.conftest import TINY

Plan = Callable[..., Block]
WRONG = {
    "NoWeightDecay": "values are off by",
    "CoupledWeightDecay": "values are off by",
    "OtherBeta2": "values are off by",
    "OtherEps": "values are off by",
    "HalfTheLearningRate": "values are off by",
    "StepsWithoutGradient": "with a parameter without a gradient",
    "WritesBeside": "memory next to a parameter was written",
}


@pytest.mark.parametrize(
    "conditions", [(), ("rule.lr=6e-7",), ("dtype=bfloat16",), ("dtype=bfloat16", "rule.lr=6e-7")]
)
def test_what_is_wrong_on_purpose_is_called_wrong(conditions: tuple[str, ...], plan: Plan) -> None:
    theirs = [f"+strategy.{name.lower()}._target_=tests.mutants.{name}" for name in WRONG]
    block = plan(
        *TINY,
        *("rule=adamw", "strategy=[optimizer,foreach]", "zeroing=[set_to_none]"),
        *theirs,
        "+strategy.after._target_=gradbench.strategies.detach.Detach",
        *conditions,
    )
    seen = measure_block(block, lambda *_: None)
    outcomes = {outcome.cell.strategy: outcome for outcome in seen.outcomes}
    for name, said in WRONG.items():
        outcome = outcomes[name.lower()]
        assert outcome.status == "wrong", name
        assert said in str(outcome.reason)
    # One that writes beside a parameter spoils none that comes after it.
    assert list(outcomes).index("writesbeside") < list(outcomes).index("after")
    for name in ("optimizer", "foreach", "after"):
        assert (outcomes[name].status, outcomes[name].reason) == ("ok", None)
    assert isinstance(seen.lost_fraction, float)
    assert (seen.lost_fraction > 0.9) == (len(conditions) == 2)
