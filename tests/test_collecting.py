"""A machine with a GPU and little else collects the tests that are for it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ABSENT = ("altair", "duckdb", "great_tables", "selenium", "submitit", "vl_convert")
CODE = f"""
import sys
import pytest

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
arguments = ["--collect-only", "-q", "-p", "no:cacheprovider", "-m", "cuda", "tests"]
sys.exit(pytest.main(arguments))
"""


def test_the_tests_of_cuda_are_collected_without_what_only_others_need() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    collected = int(answer.stdout.splitlines()[-1].partition("/")[0])
    assert collected >= 800
