"""The spread of every instrument on the same speedup, quiet and beside two busy processes.

    make benchmark ARGS="-k instruments"

A benchmark, no test: it takes minutes, and what it asserts is true of a machine that does nothing
else meanwhile. `make instruments` writes the whole comparison as a page.
"""

from pathlib import Path

import pytest

from gradbench.instruments.__main__ import DEFAULTS
from gradbench.instruments.comparison import Comparison
from gradbench.instruments.subject import Subject
from gradbench.report.instruments import summarise, verdicts
from gradbench.request.hydra_app import compose_configuration
from gradbench.request.plan import plan_block
from gradbench.results.load import load
from gradbench.results.schema import INSTRUMENT
from gradbench.results.store import Store

pytest.importorskip("pyperf")


@pytest.mark.timeout(1800)
def test_gradbench_scatters_least(tmp_path: Path) -> None:
    block = plan_block(compose_configuration([*DEFAULTS, "threads=2", "run=benchmark"]))
    comparison = Comparison(
        Subject.of(block), Store(tmp_path), repeats=8, seconds=2.0, loads=[0, 2], say=print
    )
    comparison.measure()
    sentences = verdicts(summarise(load(tmp_path, INSTRUMENT)))
    assert len(sentences) == 4
    assert not [sentence for sentence in sentences if "missed" in sentence]
