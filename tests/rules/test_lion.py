"""Lion, which torch.optim has not, against the paper's algorithm 2 in NumPy."""

import numpy as np
import torch

from gradbench.rules.base import Rule
from tests.conftest import make, options

UPDATES = 30


def paper(w: np.ndarray, gradients: list[np.ndarray]) -> np.ndarray:
    """Algorithm 2, line by line, with the options of ``conf/rule/lion.yaml``."""
    given = options("rule")["lion"]
    m = np.zeros_like(w)
    for g in gradients:
        update = given["beta1"] * m + (1 - given["beta1"]) * g
        w = w - given["lr"] * (np.sign(update) + given["weight_decay"] * w)
        m = given["beta2"] * m + (1 - given["beta2"]) * g
    return w


def test_reference_is_the_papers_algorithm() -> None:
    """Gradients of both signs, so that both decays decide which way an element goes."""
    rule: Rule = make("rule", "lion")
    random = np.random.default_rng(0)
    start = random.standard_normal((7, 11))
    gradients = [random.standard_normal(start.shape) + 0.3 for _ in range(UPDATES)]
    gradients[0][0, 0] = 0.0  # sign(0) = 0: the element only decays
    value, slots = torch.from_numpy(start), {"exp_avg": torch.zeros(start.shape).double()}
    for count, gradient in enumerate(gradients, start=1):
        value, slots = rule.reference(value, torch.from_numpy(gradient), slots, count)
        expected = paper(start, gradients[:count])
        np.testing.assert_allclose(value.numpy(), expected, rtol=1e-13, atol=1e-15)
