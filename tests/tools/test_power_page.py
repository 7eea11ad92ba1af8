"""The page of verification's power is what a run wrote, of the rules that there are."""

from collections import Counter
from pathlib import Path

from tests.conftest import options
from tools.power_page import (
    DTYPES,
    HEAD,
    VERIFICATIONS,
    Repeated,
    distances_of,
    power_table,
    repeat,
    repeated_text,
)

PAGE = Path(__file__).parents[2] / "experiments" / "verification_power.md"
RULES = sorted(options("rule"))


def test_the_page_has_every_mutant_of_every_rule() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert HEAD.strip() in page
    for rule in RULES:
        for mutant in distances_of(rule):
            assert f"| {rule} | {mutant} |" in page
        assert f"| {rule} | 1" in page  # a thousand verifications and more


def test_nothing_that_is_right_was_called_wrong() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    counted = {row[0].strip("| "): row[1:] for row in rows if len(row) == 3}
    for rule in RULES:
        times, wrong = counted[rule]
        assert int(times) >= VERIFICATIONS
        assert int(wrong.strip("| ")) == 0


def test_what_is_wrong_with_every_seed_is_a_defect_and_now_and_then_a_false_alarm() -> None:
    seen = repeat(["nesterov"], 1, lambda text: None)
    assert seen.verified["nesterov"] > 10
    assert ("nesterov", "optimizer_foreach", "float32") in seen.defects
    false = Repeated(Counter(sgd=9), Counter({("sgd", "data", "float32", "off"): 2}), Counter())
    assert "- sgd, data, float32, 2 times: off" in repeated_text(false)
    assert "| sgd | 9 | 2 |" in repeated_text(false).replace("  ", " ")


def test_the_table_names_the_smallest_distance() -> None:
    text = power_table({"sgd": {"nothing done": dict.fromkeys(DTYPES, 5.25)}})
    assert "**5.2**" in text
