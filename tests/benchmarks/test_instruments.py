"""The spread of every instrument on the same speedup, quiet and beside busy processes.

    make benchmark ARGS="-k instruments"

A benchmark, no test: it takes a quarter of an hour, and what it asserts is true of a machine that
does nothing else meanwhile. `make instruments` writes the whole comparison as a page.
"""

import pytest
import torch

from tests.experiments.loading import load_experiment

pytest.importorskip("pyperf")


@pytest.mark.timeout(1800)
def test_gradbench_reaches_its_aims() -> None:
    torch.set_num_threads(2)
    observe = load_experiment("instruments.py").observe
    seen = list(observe(torch.device("cpu")))
    assert len(seen) == 12  # intervals under four loads, spreads under two, of two pairs
    refuted = [f"{o.case}: {o.outcome}" for o in seen if o.verdict.value != "confirmed"]
    assert not refuted
