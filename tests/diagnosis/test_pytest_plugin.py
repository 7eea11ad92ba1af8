"""The fixture, in a test suite of its own."""

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import pytest
import torch
from torch import nn


def train(cut):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        hidden = model[0](torch.ones(4, 3))
        if cut:
            hidden = hidden.detach()  # the cause
        model[1](hidden).square().mean().backward()
        optimizer.step()


def test_healthy(gradbench_diagnose):
    with gradbench_diagnose() as diagnosis:
        train(False)
    assert diagnosis.report.steps == 3


def test_faulty(gradbench_diagnose):
    with gradbench_diagnose():
        train(True)


def test_left_out(gradbench_diagnose):
    with gradbench_diagnose(ignore=["GB101"]):
        train(True)


def test_raises(gradbench_diagnose):
    with gradbench_diagnose():
        train(True)
        raise KeyError("of the test")


def test_wrong(gradbench_diagnose):
    with gradbench_diagnose(level="note"):
        pass
"""


def test_a_test_fails_with_the_report(pytester: pytest.Pytester) -> None:
    file = pytester.makepyfile(test_suite=SUITE)
    line = next(n for n, text in enumerate(SUITE.strip().splitlines(), 1) if "cause" in text)
    answer = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    answer.assert_outcomes(passed=2, failed=3)
    answer.stdout.fnmatch_lines(
        [
            "*_ test_faulty _*",
            "*error GB101*",
            f"*{file.name}:{line} in train*",
            f"*{file.name}: 1 error*",
            "*_ test_raises _*",
            "*KeyError: 'of the test'",
            "*Captured stdout call*",
            "*error GB101*",
            "*_ test_wrong _*",
            "*choose from error, warning",
        ]
    )


def test_the_plugin_needs_no_torch_to_be_loaded(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import sys

        def pytest_configure(config):
            assert config.pluginmanager.hasplugin("gradbench")
            assert "torch" not in sys.modules
        """
    )
    pytester.makepyfile("def test_nothing():\n    pass\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
