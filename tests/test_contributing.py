"""The code of CONTRIBUTING.md, copied by the letter: it passes the checks, and it works."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import gradbench
from gradbench.request.schema import configuration_folder

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHECKOUT = ("gradbench", "conf", "experiments", "hydra_plugins", "tests", "pyproject.toml")
CACHE = ".mypy_cache"  # where `make lint` has left one, torch is not read anew
OPTIONS = {
    "strategy": "gradbench/strategies",
    "rule": "gradbench/rules",
    "zeroing": "gradbench/zeroing",
    "model": "gradbench/models",
    "experiment": "experiments",
}
TOPIC = "experiments/failure_modes/zeroing.py"
CODE = [*(f"{folder}/mine.py" for folder in OPTIONS.values()), TOPIC]

BLOCK = re.compile(r"^```(?:python|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([\w/]+\.(?:py|yaml))`")
LINE = re.compile(r"line `(- \w+)` in\s+`([\w/]+/all\.yaml)`")
COMMAND = re.compile(r"`python -m (gradbench model=mine [^`]*)`")
MODES, END = "MODES = (\n", "\n)\n\n\ndef observe("


def blocks() -> Iterator[tuple[str, str]]:
    """Each block of code with the file that is named before it; where none is, it is the last."""
    path, end = "", 0
    for block in BLOCK.finditer(PAGE):
        paragraph = PAGE[end : block.start()].rstrip().rpartition("\n\n")[2]
        named = NAMED.search(paragraph)
        path, end = named.group(1) if named else path, block.end()
        yield path, block.group(1)


def with_mode(topic: str, code: str) -> str:
    """Put functions above a topic's modes, or what stands below a comment at the modes' end."""
    assert topic.count(MODES) == topic.count(END) == 1
    if not code.startswith(MODES):
        return topic.replace(MODES, f"{code}\n\n{MODES}")
    _, comment, *entry, _ = code.splitlines()
    assert comment.lstrip().startswith("#")
    return topic.replace(END, "\n".join(["", *entry]) + END)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout to which somebody has added what the page shows."""
    copy = tmp_path_factory.mktemp("contributed")
    for name in (*CHECKOUT, *([CACHE] if (ROOT / CACHE).is_dir() else [])):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    for path, code in blocks():
        file = copy / path
        if path == TOPIC:
            code = with_mode(file.read_text(encoding="utf-8"), code)
        else:
            assert not file.exists()
        file.write_text(code, encoding="utf-8")
    for line, path in LINE.findall(PAGE):
        with (copy / path).open("a", encoding="utf-8") as file:
            file.write(f"  {line}\n")
    return copy


def python(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module in a checkout, as a person does who stands there."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=checkout,
        env={**environment, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def results(checkout: Path) -> Path:
    """What a run leaves that uses all six at once."""
    [command] = COMMAND.findall(PAGE)
    answer = python(
        *(checkout, *shlex.split(command), "experiment=[mine]"),
        "+experiment.topic._target_=gradbench.observing.experiment.Experiment",
        f"+experiment.topic.file={TOPIC.removeprefix('experiments/')}",
        *("measure=true", "measurement=quick", "measurement.budget_s=1"),
        *("measurement.replicates=2", "measurement.min_replicates=2"),
        "measurement.noise=inf",
        "measurement.product_rounds=1",
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return checkout / "results"


def test_the_page_has_code_for_each() -> None:
    yamls = [f"conf/{group}/mine.yaml" for group in OPTIONS]
    assert sorted({path for path, _ in blocks()}) == sorted([*CODE, *yamls])
    listed = [group for group in OPTIONS if (configuration_folder() / group / "all.yaml").exists()]
    assert sorted(LINE.findall(PAGE)) == sorted(("- mine", f"conf/{g}/all.yaml") for g in listed)


def test_the_code_passes_the_linter(checkout: Path) -> None:
    pytest.importorskip("ruff")
    for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        answer = python(checkout, "ruff", *check, *CODE)
        assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.slow
def test_the_code_passes_mypy(checkout: Path) -> None:
    pytest.importorskip("mypy")
    answer = python(checkout, "mypy", "--strict", *CODE)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_all_takes_it(checkout: Path) -> None:
    groups = ("strategy", "zeroing", "experiment")
    answer = python(checkout, "gradbench", *(f"{group}=all" for group in groups), "--cfg", "job")
    assert answer.returncode == 0, answer.stderr
    composed = OmegaConf.create(answer.stdout)
    assert [group for group in groups if "mine" not in composed[group]] == []


def test_a_measurement_with_it_is_right(results: Path) -> None:
    cells = gradbench.load(results)
    assert set(cells["model"]) == set(cells["rule"]) == {"mine"}
    assert dict(zip(cells["cell"], cells["status"], strict=True)) == {
        f"{cell}": "ok"
        for cell in (
            *("no_grad/set_to_none", "mine/set_to_none", "no_grad/mine", "mine/mine"),
            *("twin", "bandwidth"),
        )
    }
    assert cells.loc[cells["strategy"] == "mine", "speedup"].notna().all()


def test_the_experiment_and_the_failure_mode_are_seen(results: Path) -> None:
    seen = gradbench.load(results, "observations")
    verdicts = dict(zip(seen["case"], seen["verdict"], strict=True))
    assert verdicts["plain SGD"] == "confirmed"
    new = {case for case in verdicts if case.startswith("multiplied_by_zero")}
    assert new == {f"multiplied_by_zero{kind}" for kind in ("", "/fix", "/twin")}
    assert {verdicts[case] for case in new} == {"confirmed"}
    states = dict(zip(seen["case"], seen["state"], strict=True))
    assert states["multiplied_by_zero"] == "nan"


@pytest.mark.slow
def test_the_tests_find_it_by_themselves(checkout: Path) -> None:
    """Without torch.compile, which takes seconds for each rule."""
    answer = python(
        *(checkout, "pytest", "-n0", "-q", "-p", "no:cacheprovider", "tests/rules"),
        *("tests/strategies", "tests/zeroing", "tests/models/test_models_contract.py"),
        *("tests/verify/test_verification.py", "tests/request/test_configuration.py"),
        *("tests/experiments/test_experiments_contract.py", "-k", "mine and not compiled"),
    )
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr
    passed = re.search(r"(\d+) passed", answer.stdout)
    assert passed
    assert int(passed.group(1)) > 100
