"""Damaged files: every verb names them, leaves them out, goes on, and exits with 1."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import gradbench
from gradbench.cli.main import main
from gradbench.results.load import UnreadableResults
from gradbench.results.store import Store
from tests.integration.sweeping import LINEAR, TORTURE
from tests.results import test_files as damages

Damage = Callable[[Path], None]
DAMAGE: list[Damage] = [damage for damage, _ in damages.DAMAGE]
CHOSEN = (
    DAMAGE
    if TORTURE
    else [damages.empty, damages.short, damages.flipped, damages.newer, damages.not_ours]
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two blocks."""
    folder = tmp_path_factory.mktemp("f")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*LINEAR, "-m", "rule=sgd,adam"]) == 0
    return folder / "results" / "r"


def copy(stored: Path, to: Path) -> Path:
    for file in stored.rglob("*.parquet"):
        target = to / file.relative_to(stored)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return to


VERBS = {
    "summary": ["summary", "bad"],
    "compare": ["compare", "bad", "good"],
    "compare the other way": ["compare", "good", "bad"],
    "runs": ["runs", "bad"],
}
SLOW_VERBS = {
    "predict": ["predict", "--tensors=2", "--parameters=10", "--rule=adam", "--results=bad"],
    "report": ["report", "bad", "--output", "page"],
}


@pytest.mark.parametrize("damage", CHOSEN, ids=lambda damage: str(damage.__name__))
def test_every_verb_names_what_it_leaves_out(
    stored: Path,
    tmp_path: Path,
    damage: Damage,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tally: Counter[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    copy(stored, tmp_path / "good")
    bad = copy(stored, tmp_path / "bad")
    victim = sorted((bad / "cells").iterdir())[0]
    damage(victim)
    tally["faults injected"] += 1
    slow = TORTURE or damage is damages.flipped
    for name, line in {**VERBS, **(SLOW_VERBS if slow else {})}.items():
        capfd.readouterr()
        status = main(line)
        output, errors = capfd.readouterr()
        few = name == "predict"  # what is left is too little to fit, and that is said
        assert status == (2 if few else 1), (name, output, errors)
        assert victim.name in errors.replace("\n", ""), (name, errors)
        assert "Traceback" not in errors, name
    with pytest.warns(UnreadableResults, match=victim.name):
        cells = gradbench.load("bad")
    assert cells["block"].nunique() == 1


def test_a_damaged_block_is_measured_again_and_the_others_are_kept(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = copy(stored, tmp_path / "results" / "r")
    victim, other = sorted((run / "cells").iterdir())
    before = other.read_bytes()
    damages.flipped(victim)
    assert main([*LINEAR, "-m", "rule=sgd,adam"]) == 0
    assert capfd.readouterr().out.count(": kept") == 1
    assert other.read_bytes() == before
    assert gradbench.load(run)["block"].nunique() == 2


def test_figures_of_half_a_block_are_of_no_block(stored: Path, tmp_path: Path) -> None:
    """Samples without cells are those of a block that was killed: nothing counts them."""
    run = copy(stored, tmp_path / "r")
    victim = sorted((run / "cells").iterdir())[0]
    Store(run).discard("cells", victim.stem)
    assert victim.stem not in set(gradbench.load(run)["block"])
    assert victim.stem in set(gradbench.load(run, "samples")["block"])
