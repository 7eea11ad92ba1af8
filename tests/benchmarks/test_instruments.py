"""The spread of every instrument on the same speedup, quiet and beside two busy processes.

    make benchmark ARGS="-k instruments"

A benchmark, no test: it takes minutes, and what it asserts is true of a machine that does nothing
else meanwhile. `make instruments` writes the whole comparison as a page.
"""

import pytest
import torch

from tests.experiments.loading import load_experiment

pytest.importorskip("pyperf")


@pytest.mark.timeout(1800)
def test_gradbench_scatters_least() -> None:
    torch.set_num_threads(2)
    observe = load_experiment("instruments.py").observe
    seen = list(observe(torch.device("cpu"), repeats=8, seconds=2.0, hogs=[0, 2]))
    assert len(seen) == 4
    assert {observation.verdict.value for observation in seen} == {"confirmed"}
