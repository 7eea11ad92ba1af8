"""What verification would see: ``python -m tools.power_page``, in minutes.

How far every mutant of every rule is from right, in each type, and how often a right strategy is
called wrong over more than a thousand fresh verifications of each rule. To standard output as
Markdown.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from hydra.utils import instantiate

from gradbench.report.markdown import markdown_table
from gradbench.rules.base import Rule
from gradbench.strategies.base import Strategy
from gradbench.verify.examination import Examiner
from gradbench.verify.truth import DISTINGUISHED
from gradbench.verify.vector_maths import initialize_vector_maths
from gradbench.verify.verification import verify
from tests.conftest import CPU, allocate, make, options

DTYPES = ("bfloat16", "float16", "float32", "float64")
VERIFICATIONS = 1000
SKIPPED = ("compiled", "cuda_graph", "capturable")
"""Not repeated a thousand times: compiling takes seconds, and the others need a GPU."""

HEAD = """\
# What would verification miss?

Written by `make power`. A strategy is right where every element of every parameter, and of the
state that it shows, is within a tolerance T of the rule's float64 reference after every update.
T is 1.5 times the *running error* of that reference: each of its operations adds a rounding, and
what went in wrong comes out as the operation makes of it
([running_error.py](../gradbench/verify/running_error.py); Higham, Accuracy and Stability of
Numerical Algorithms, 2002, section 3.3). A rule that is not element-wise is followed in the type
that its implementations compute in, and T is 1.5 times what that changes, in Frobenius's norm.

A tolerance says how far a right update may be off. How far a wrong one would be, the *mutants* of
the rule tell: one term left out or changed
([mutants.py](../gradbench/rules/mutants.py)). Verification takes its first updates with *amplified*
hyperparameters, with gradients of both signs over orders of magnitude, zeros among them, and with
starting values from much smaller to much larger than an update, so that every mutant is at least
4 tolerances away from right. Then it takes others at the block's own hyperparameters, on the
model's tensors; what cannot be told there is named in column `indistinguishable`.
"""


@dataclass
class Repeated:
    """What came of verifying right strategies again and again.

    Args:
        verified: Number of verifications by rule.
        wrong: What was wrong, by rule, strategy and type; PyTorch's known defects apart.
        defects: The same of strategies that are wrong for every seed.
    """

    verified: Counter[str]
    wrong: Counter[tuple[str, str, str, str]]
    defects: Counter[tuple[str, str, str]]


def distances_of(rule_name: str) -> dict[str, dict[str, float]]:
    """Measure a rule's mutants.

    Args:
        rule_name: Of the rule.

    Returns:
        Tolerances by mutant and type.
    """
    by_mutant: dict[str, dict[str, float]] = {}
    for dtype in DTYPES:
        torch.manual_seed(0)
        examiner = Examiner(make("rule", rule_name), getattr(torch, dtype), CPU)
        plain, float32 = examiner.distances(False), examiner.distances(True)
        for name in plain:
            far = min(plain[name], float32.get(name, plain[name]))
            by_mutant.setdefault(name, {})[dtype] = far
    return by_mutant


def power_table(by_rule: dict[str, dict[str, dict[str, float]]]) -> str:
    """Write the distances.

    Args:
        by_rule: Tolerances by rule, mutant and type.

    Returns:
        Markdown.
    """
    rows = [
        [rule, name, *(_text(far.get(dtype)) for dtype in DTYPES)]
        for rule, by_mutant in by_rule.items()
        for name, far in by_mutant.items()
    ]
    smallest = min(min(far.values()) for each in by_rule.values() for far in each.values())
    return "\n\n".join(
        [
            "## Distance of every mutant",
            "In tolerances, with amplified hyperparameters; of a step count that is exact and one "
            f"in float32 the smaller. The smallest of all is **{smallest:.1f}**; "
            f"{DISTINGUISHED:g} is asked for.",
            markdown_table(["rule", "mutant", *DTYPES], rows),
        ]
    )


def repeat(rules: list[str], times: int, progress: Callable[[str], None]) -> Repeated:
    """Verify right strategies, each time with other numbers.

    Args:
        rules: Names of the rules.
        times: At least so many verifications of each rule.
        progress: Told how far it is.

    Returns:
        What came of it.
    """
    repeated = Repeated(Counter(), Counter(), Counter())
    for rule_name in rules:
        rule: Rule = make("rule", rule_name)
        runs = [
            (name, dtype)
            for name in sorted(options("strategy"))
            for dtype in DTYPES
            if not any(word in name for word in SKIPPED)
            and make("strategy", name).supports(rule, CPU, getattr(torch, dtype)) is None
        ]
        seen: dict[tuple[str, str], list[str | None]] = {run: [] for run in runs}
        seed = 0
        while repeated.verified[rule_name] < times:
            progress(f"{rule_name}: {repeated.verified[rule_name]} of {times}")
            for name, dtype in runs:
                strategy: Strategy = instantiate(options("strategy")[name])
                seen[name, dtype].append(_reason(strategy, rule, getattr(torch, dtype), seed))
                repeated.verified[rule_name] += 1
            seed += 1
        for (name, dtype), reasons in seen.items():
            found = [reason for reason in reasons if reason is not None]
            if len(found) == len(reasons):
                repeated.defects[rule_name, name, dtype] += len(found)
            else:
                for reason in found:
                    repeated.wrong[rule_name, name, dtype, reason] += 1
    return repeated


def _reason(strategy: Strategy, rule: Rule, dtype: torch.dtype, seed: int) -> str | None:
    torch.manual_seed(seed)
    examined = Examiner(rule, dtype, CPU).examine(strategy)
    tensors = allocate(rule, dtype, seed=seed)
    return examined.reason or verify(strategy, make("zeroing", "set_to_none"), tensors).reason


def repeated_text(repeated: Repeated) -> str:
    """Write how often what is right was called wrong.

    Args:
        repeated: What came of the verifications.

    Returns:
        Markdown.
    """
    rows = [
        [rule, str(n), str(sum(c for key, c in repeated.wrong.items() if key[0] == rule))]
        for rule, n in repeated.verified.items()
    ]
    parts = [
        "## How often a right strategy is called wrong\n\nFresh verifications, examination "
        "included: every strategy that runs on a CPU without compiling, in the four types, each "
        f"seed with other numbers, torch {torch.__version__}.",
        markdown_table(["rule", "verifications", "called wrong"], rows),
    ]
    if repeated.defects:
        parts += [
            "Called wrong with every seed, and so they are: PyTorch's CPU kernel of "
            "`SGD(fused=True)` leaves elements out in half precision, and "
            "`SGD(foreach=True, nesterov=True)` rewrites `.grad`.",
            markdown_table(
                ["rule", "strategy", "type", "times"],
                [[*key, str(times)] for key, times in sorted(repeated.defects.items())],
            ),
        ]
    for (rule, name, dtype, reason), times in sorted(repeated.wrong.items()):
        parts.append(f"- {rule}, {name}, {dtype}, {times} times: {reason}")
    return "\n\n".join(parts)


def _text(far: float | None) -> str:
    if far is None:
        return "–"
    return "over 1000" if far >= 1000 else f"{far:.1f}"


def main() -> None:
    """Write the page."""
    initialize_vector_maths()
    torch.set_num_threads(1)
    rules = sorted(options("rule"))
    table = power_table({rule: distances_of(rule) for rule in rules})
    repeated = repeat(rules, VERIFICATIONS, lambda text: print(text, file=sys.stderr))
    print("\n\n".join([HEAD.strip(), table, repeated_text(repeated)]))


if __name__ == "__main__":
    main()
