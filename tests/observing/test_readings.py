import json
import math

import pytest

from gradbench.observing.readings import (
    Reading,
    by_place,
    enough_hold,
    least_exchange_s,
    middle,
    read,
    spread,
    written,
)


def test_spread_is_that_of_the_logarithms() -> None:
    readings = [Reading(math.exp(value), 1.0) for value in (0.1, 0.2, 0.6)]
    assert spread([readings]) == pytest.approx(math.sqrt(0.07))
    assert middle(readings) == pytest.approx(math.exp(0.2))


def test_what_lies_between_two_places_is_no_spread() -> None:
    def readings(*values: float) -> list[Reading]:
        return [Reading(math.exp(value), 1.0) for value in values]

    parted = [readings(0.1, 0.2, 0.6), readings(5.1, 5.2, 5.6)]
    assert spread(parted) == pytest.approx(math.sqrt(0.07))
    assert spread([readings(0.1, 0.2, 0.6), readings(9.0)]) == pytest.approx(math.sqrt(0.07))
    assert math.isnan(spread([readings(0.1), readings(9.0)]))
    assert math.isnan(spread([]))


def test_one_lucky_turn_parts_no_readings() -> None:
    readings = [Reading(1.0, 1.0, exchange_s=(8e-6, 8.4e-6))] * 20
    lucky = Reading(1.0, 1.0, exchange_s=(5e-6, 8e-6))
    least_s = least_exchange_s([{"a": [lucky], "b": readings}])
    assert least_s == 8e-6
    assert by_place([lucky, *readings], least_s) == {"together": [lucky, *readings]}


def test_readings_are_of_the_place_in_which_the_processors_stayed() -> None:
    def reading(before_s: float, after_s: float) -> Reading:
        return Reading(1.0, 1.0, exchange_s=(before_s, after_s))

    together, apart = reading(8e-6, 11e-6), reading(16e-6, 15e-6)
    readings = [together, reading(8e-6, 16e-6), apart, reading(16e-6, 8e-6)]
    least_s = least_exchange_s([{"a": [apart], "b": readings}, {"c": [Reading(1.0, 1.0)]}])
    assert least_s == 8e-6
    assert by_place(readings, least_s) == {"together": [together], "apart": [apart]}
    without = [Reading(1.0, 1.0)] * 2
    assert by_place(without, least_exchange_s([{"a": without}])) == {"unknown": without}


def test_an_interval_holds_its_ends_and_none_holds_nothing() -> None:
    assert Reading(2.0, 1.0, 1.9, 2.1).holds(1.9)
    assert not Reading(2.0, 1.0, 1.9, 2.1).holds(2.11)
    assert Reading(1.0, 1.0, 0.0, math.inf).holds(2.0)
    assert not Reading(2.0, 1.0).holds(2.0)


@pytest.mark.parametrize(
    ("held", "repeats", "enough"),
    # P(K <= 6) of B(8, 0.95) is 5.7 %, P(K <= 5) is 0.6 %, P(K <= 0) of B(1, 0.95) is 5 %.
    [(8, 8, True), (6, 8, True), (5, 8, False), (0, 1, True), (0, 2, False)],
)
def test_intervals_may_miss_by_chance(held: int, repeats: int, enough: bool) -> None:
    assert enough_hold(held, repeats) is enough


def test_readings_are_stored_and_read_again() -> None:
    said = {
        "a": [Reading(2.0, 1.5, 1.9, 2.1)],
        "b": [Reading(1.0, 1.5), Reading(1.0, 1.5, exchange_s=(8e-6, 9e-6))],
        "c": [Reading(2.0, 1.5, 1.9, 2.1, (8e-6, 9e-6))],
    }
    assert json.loads(written(said)) == {
        "a": [[2.0, 1.5, 1.9, 2.1]],
        "b": [[1.0, 1.5], [1.0, 1.5, None, None, [8e-6, 9e-6]]],
        "c": [[2.0, 1.5, 1.9, 2.1, [8e-6, 9e-6]]],
    }
    assert read(written(said)) == said
