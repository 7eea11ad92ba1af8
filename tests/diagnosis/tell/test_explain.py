"""Checks and failure modes, explained."""

import ast
import re
import textwrap

import pytest
import typer
from typer.testing import CliRunner

from gradbench.cli.commands.explain import explain as verb
from gradbench.diagnosis import check_list
from gradbench.diagnosis.check_list import all_checks
from gradbench.diagnosis.tell import explain as explaining
from gradbench.diagnosis.tell.atlas import find_mode, mode_names
from gradbench.diagnosis.tell.explain import explain_text
from gradbench.errors import BadRequest
from tests.diagnosis.tell.told import CLIPPED, CONSTANT


@pytest.fixture
def two_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        def __init__(self, check: object) -> None:
            self.CHECK = check

    checks = {"GB901": Module(CONSTANT), "GB902": Module(CLIPPED)}
    monkeypatch.setattr(explaining, "all_checks", lambda: checks)
    monkeypatch.setattr(check_list, "all_checks", lambda: checks)


@pytest.mark.usefixtures("two_checks")
def test_a_check_is_explained_with_the_code_of_the_atlas() -> None:
    text = explain_text("gb901")
    assert CONSTANT.why in text
    assert CONSTANT.fix in text
    assert "https://github.com/pytorch/pytorch/issues/1" in text
    assert "# gradbench: ignore[GB901]" in text
    for heading in ("Fails", "Instead", "Looks like it and is fine"):
        code = re.search(rf"^{heading}$\n.*\n((?:    .*\n|\n)+)", text, re.MULTILINE)
        assert code, heading
        functions = [
            node
            for node in ast.parse(textwrap.dedent(code[1])).body
            if isinstance(node, ast.FunctionDef)
        ]
        assert [node.name.startswith("snapshot_detached") for node in functions] == [True]
        assert ast.get_docstring(functions[0]) is None  # it stands above, as prose


@pytest.mark.usefixtures("two_checks")
def test_an_unknown_check_is_told_what_there_is() -> None:
    with pytest.raises(BadRequest, match=r"did you mean GB90\d.*choose from GB901, GB902"):
        explain_text("GB90")
    with pytest.raises(BadRequest, match="did you mean snapshot_detached"):
        explain_text("snapshot_detach")


@pytest.mark.usefixtures("two_checks")
def test_the_verb_lists_all_checks_or_explains_one() -> None:
    app = typer.Typer()
    app.command()(verb)
    listed = CliRunner().invoke(app, []).output
    assert re.search(r"GB901\s+error\s+none\s+`torch.tensor` of computed", listed)
    assert re.search(r"GB902\s+warning\s+lost", listed)
    assert CONSTANT.fix in CliRunner().invoke(app, ["GB901"]).output


def test_every_mode_of_the_atlas_is_found() -> None:
    names = mode_names()
    assert len(names) > 100
    modes = [find_mode(name) for name in names]
    assert [mode.name if mode else None for mode in modes] == names
    assert find_mode("no_such_mode") is None


@pytest.mark.parametrize("check_id", all_checks())
def test_every_check_can_be_explained(check_id: str) -> None:
    check = all_checks()[check_id].CHECK
    assert re.fullmatch(r"GB\d{3}", check.id)
    assert check.title
    assert check.why
    missing = [name for name in check.atlas if find_mode(name) is None]
    assert not missing, f"the atlas has no {missing}"
    ast.parse(textwrap.dedent(check.fix))  # it is to be pasted
    assert check.id in explain_text(check_id)
