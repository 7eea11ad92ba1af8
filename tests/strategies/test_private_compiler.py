"""What gradbench uses of torch.compile without PyTorch's promise."""

import shutil
import subprocess
import sys

import pytest

COMPILED = """
import sys
import gradbench.strategies.compiler
import torch

ahead = set(sys.modules)
torch.compile(lambda x: x.neg_(), fullgraph=True)(torch.ones(3))
missing = sorted({"torch._inductor.compile_fx", "torch._dynamo"} - ahead)
assert not missing, f"the first call imports {missing}"
"""


@pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="no C++ compiler here"
)
def test_private_compiler_is_imported_ahead() -> None:
    command = [sys.executable, "-c", COMPILED]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert answer.returncode == 0, answer.stderr
