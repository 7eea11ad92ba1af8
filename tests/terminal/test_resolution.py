from typing import Any

import pandas as pd
import pytest

from gradbench.results.schema import arrow_schema
from gradbench.terminal.resolution import resolution, resolution_lines
from tests.terminal.cells import row

HIDDEN = "weight_decay left out; beta2 0.99 instead of 0.999"


def cells(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([{"dtype": "bfloat16", "lr": 6e-7, **found} for found in rows])


def verified(strategy: str, **figures: Any) -> dict[str, Any]:
    told = {"power": 6.4, "nearest_mutant": "eps left out", "indistinguishable": ""}
    return row(strategy, **{"dtype": "bfloat16", **told, **figures})


def test_mistakes_below_the_resolution_are_named_once_for_models_alike() -> None:
    shown = {"indistinguishable": HIDDEN, "rule": "adamw"}
    rows = [verified("base", block=model, model=model, **shown) for model in ("mlp", "gpt2")]
    assert resolution_lines(cells(*rows)) == [
        "mlp, gpt2 · adamw · bfloat16: verification at these hyperparameters cannot see: "
        "weight_decay left out, beta2 0.99 instead of 0.999 (below the resolution of bfloat16 at "
        "lr 6e-07); at its own hyperparameters it sees every mutant, the nearest at "
        "6.4 tolerances: eps left out"
    ]


@pytest.mark.parametrize(("power", "said"), [(6.368, "6.4"), (420_049.7, "over 1000"), (None, "–")])
def test_a_distance_beyond_all_doubt_is_not_counted(power: float | None, said: str) -> None:
    assert resolution(cells(verified("base", power=power))).distance == said


def test_what_only_some_strategies_hide_is_said_of_them() -> None:
    block = cells(verified("base"), verified("flat", indistinguishable="eps left out"))
    assert resolution(block).hidden == ("eps left out (with flat)",)


def test_a_control_and_a_wrong_cell_say_nothing_of_verification() -> None:
    twin = verified("base", role="twin", power=1.0)
    wrong = verified("broken", status="wrong", indistinguishable=HIDDEN, power=2.0)
    assert resolution_lines(cells(verified("base"), twin, wrong)) == []


def test_a_near_mutant_makes_verification_weak_and_the_weakest_cell_counts() -> None:
    [line] = resolution_lines(cells(verified("base"), verified("flat", power=1.3)))
    assert "verified, but weakly" in line
    assert "eps left out, is 1.3 tolerances away" in line
    assert resolution_lines(cells(verified("base", power=4.0))) == []


@pytest.mark.parametrize(("lost", "said"), [(0.996, "99.6 %"), (0.011, "1.1 %")])
def test_lost_updates_are_counted_with_what_helps(lost: float, said: str) -> None:
    [line] = resolution_lines(cells(verified("base", lost_fraction=lost)))
    assert f"{said} of the elements are left as they are by a right first update" in line
    assert "the resolution of bfloat16 at lr 6e-07" in line
    assert "stochastic rounding" in line


def test_one_per_cent_lost_is_not_said_and_an_unknown_rate_is_left_out() -> None:
    assert resolution_lines(cells(verified("base", lost_fraction=0.01))) == []
    without = cells(verified("base", lost_fraction=0.5)).drop(columns="lr")
    assert "the resolution of bfloat16;" in resolution_lines(without)[0]


def test_files_from_before_say_nothing() -> None:
    assert resolution_lines(cells(row("base", role="baseline", dtype="bfloat16"))) == []
    assert resolution_lines(pd.DataFrame(columns=arrow_schema("cells").names)) == []
