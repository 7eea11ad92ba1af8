"""What every file below experiments/ keeps to."""

import ast
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gradbench.request.schema import configuration_folder, experiments_folder, groups

FOLDER = experiments_folder()
ALL = sorted(FOLDER.rglob("*.py"))
READER = FOLDER / "estimators.py"
"""Observes nothing: it reads what `calibrate` stored."""
FILES = [file for file in ALL if file != READER]
NAMES = [name for name in groups()["experiment"] if name != "all"]


def test_there_are_experiments() -> None:
    assert {"article", "observer_cost"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_option_names_a_file_or_folder_of_its_own_name(name: str) -> None:
    node = OmegaConf.load(configuration_folder() / "experiment" / f"{name}.yaml")[name]
    assert node["_target_"] == "gradbench.observing.experiment.Experiment"
    assert node["file"] in (name, f"{name}.py")
    path = FOLDER / node["file"]
    assert path.is_file() or list(path.glob("*.py"))


def test_every_file_belongs_to_an_option() -> None:
    assert {file.relative_to(FOLDER).parts[0].removesuffix(".py") for file in FILES} == set(NAMES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_a_file_asks_a_question_observes_and_runs_by_itself(file: Path) -> None:
    module = ast.parse(file.read_text(encoding="utf-8"))
    docstring = ast.get_docstring(module)
    assert docstring
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    assert functions["observe"].args.args[0].arg == "device"
    assert ast.unparse(module.body[-1]).replace('"', "'") == (
        "if __name__ == '__main__':\n    main(observe)"
    )


@pytest.mark.parametrize("file", ALL, ids=lambda file: str(file.relative_to(FOLDER)))
def test_a_file_run_by_itself_shadows_no_module(file: Path) -> None:
    """Run as a script, its folder comes first on sys.path."""
    assert file.stem not in sys.stdlib_module_names
    assert file.stem not in ("torch", "numpy", "gradbench", "typer", "rich", "pandas")


@pytest.mark.parametrize("file", ALL, ids=lambda file: str(file.relative_to(FOLDER)))
def test_files_do_not_import_each_other(file: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").partition(".")[0])
    assert not imported & ({other.stem for other in ALL} | {"experiments"})
