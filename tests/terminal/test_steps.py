from typing import Any

import pytest

from gradbench.terminal.steps import saving_share, step_lines, step_text, step_verdict
from tests.terminal.cells import timed


def cell(update_s: float, step_s: float | None, samples: int | None, **figures: Any) -> Any:
    speedup = 431e-3 / step_s if step_s else None
    reach = {"low": 0.99, "high": 1.01}
    return timed(
        "fast",
        update_s,
        19e-3 / update_s,
        step_s=step_s,
        step_samples=samples,
        step_speedup=speedup,
        step_noise_floor=0.01,
        **{f"step_speedup_{end}": speedup and speedup * by for end, by in reach.items()},
        **{f"step_s_{end}": step_s and step_s * by for end, by in reach.items()},
        **figures,
    )


BASELINE = cell(19e-3, 431e-3, 12, role="baseline")


def test_a_step_is_told_with_the_baselines_and_what_the_update_saves() -> None:
    assert step_lines(cell(7e-3, 419e-3, 12), BASELINE) == [
        "419 ms, from 431 ms",
        "1.03× (1.02 – 1.04), same",
        "the update saves 12.0 ms, 2.8 % of the step",
    ]
    assert saving_share(cell(7e-3, 419e-3, 12), BASELINE) == pytest.approx(12 / 431)


def test_figures_have_as_many_digits_as_their_intervals_leave() -> None:
    wide = {
        "step_s_low": 0.2,
        "step_s_high": 0.8,
        "step_speedup_low": 0.8,
        "step_speedup_high": 1.3,
    }
    wide |= {"update_s_low": 5e-3, "update_s_high": 9e-3}
    assert step_lines({**cell(7e-3, 419e-3, 12), **wide}, BASELINE) == [
        "0.4 s, from 431 ms",
        "1.0× (0.8 – 1.3), unclear",
        "the update saves 12 ms, 2.8 % of the step",
    ]


def test_a_margin_that_was_chosen_judges_step_and_saving() -> None:
    row = {**cell(7e-3, 340e-3, 12)}
    assert step_verdict(row) == "faster"
    assert step_verdict(row, 0.5) == "same"
    assert step_lines(row, BASELINE, 5.0)[1:] == ["1.27× (1.25 – 1.28), same"]


def test_only_the_verdict_makes_a_step_faster() -> None:
    assert step_verdict(cell(7e-3, 300e-3, 12)) == "faster"
    assert step_verdict({**cell(7e-3, 300e-3, 12), "step_noise_floor": 2.0}) == "unclear"
    assert step_verdict({**cell(7e-3, 300e-3, 12), "step_samples": None}) is None


def test_without_a_figure_what_the_update_saves_is_told() -> None:
    assert step_lines(cell(7e-3, None, 3), BASELINE) == [
        "no figure: 3 clean steps",
        "the update saves 12.0 ms, 2.8 % of the step",
    ]
    assert step_lines(cell(7e-3, None, 1), cell(19e-3, None, 0)) == [
        "no figure: 1 clean step",
        "the update saves 12.0 ms",
    ]


def test_an_update_that_is_not_certainly_faster_saves_nothing() -> None:
    assert step_lines(cell(18.9e-3, None, 3), BASELINE) == ["no figure: 3 clean steps"]
    assert step_lines(cell(25e-3, None, 3), BASELINE)[1:] == [
        "the update costs 6.00 ms more, 1.4 % of the step"
    ]


def test_the_baseline_and_what_has_none_are_told_alone() -> None:
    assert step_lines(BASELINE, BASELINE) == ["431 ms"]
    assert step_lines(cell(7e-3, 419e-3, 12), None) == ["419 ms"]


def test_what_was_never_trained_has_no_words() -> None:
    assert step_text(cell(7e-3, None, None)) == "–"
