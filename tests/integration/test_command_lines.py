"""Bad command lines, at random and at the extremes: exit 2, one message, nothing written.

    GRADBENCH_TORTURE=1 make test ARGS="tests/integration/test_command_lines.py"

runs all five hundred; otherwise forty are drawn.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gradbench.cli.main import main
from gradbench.request.schema import _BOUNDS, groups
from tests.conftest import TINY

EXAMPLES = 500 if os.environ.get("GRADBENCH_TORTURE") else 40
Line = list[str]

GROUPS = sorted(set(groups()) - {"sweep"})
VALID = (*TINY, "rule=adam", "dtype=float64", "seed=3", "threads=1", "zeroing=[set_to_zero]")
words = st.text("abcxyz_0189", min_size=1, max_size=12)
numbers = st.one_of(
    st.integers(max_value=-1).map(str),
    st.floats(max_value=-1e-9).map(str),
    st.sampled_from(["nan", "-inf", "1e400x", "[]", "{}", "[1,2]", "{a:1}", "x", "''"]),
)
pieces = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@st.composite
def nonsense_options(draw: st.DrawFn) -> str:
    group = draw(st.sampled_from(GROUPS))
    option = draw(words.filter(lambda word: word not in groups()[group]))
    sign = draw(st.sampled_from(["", "", "+"]))
    listed = draw(st.booleans())
    return f"{sign}{group}=[{option}]" if listed else f"{sign}{group}={option}"


@st.composite
def nonsense_keys(draw: st.DrawFn) -> str:
    known = {*groups(), "run", "output", "dtype", "seed", "threads", "measure", "baseline"}
    key = draw(words.filter(lambda word: word not in known))
    parent = draw(st.sampled_from(["", "", "model.", "rule.", "measurement.", "device."]))
    return f"{parent}{key}={draw(words)}"


def bad_figures() -> st.SearchStrategy[str]:
    bounded = st.sampled_from(sorted(_BOUNDS)).map(lambda name: f"measurement.{name}")
    scalars = st.sampled_from(["seed", "threads", "dtype"])
    return st.builds("{}={}".format, bounded | scalars, numbers)


def broken_syntax() -> st.SearchStrategy[str]:
    return st.builds(
        lambda valid, sign: valid + sign,
        st.sampled_from(VALID),
        st.sampled_from(["[", "]", "'", '"', "{", "=", "(", ")", "[,", "\\'", "${", "=x=", "é"]),
    )


def broken_groups() -> st.SearchStrategy[str]:
    single = st.sampled_from(["model", "rule", "device", "measurement"])
    return st.one_of(
        st.sampled_from(GROUPS).flatmap(lambda g: st.sampled_from([f"~{g}", f"{g}=null", f"{g}="])),
        single.map(lambda group: f"{group}=[{','.join(groups()[group][:2])}]"),
    )


bad = st.one_of(
    nonsense_options(), nonsense_keys(), bad_figures(), broken_syntax(), broken_groups()
)


@st.composite
def bad_lines(draw: st.DrawFn) -> Line:
    """A bad override somewhere among good ones."""
    line = draw(st.lists(st.sampled_from(VALID), max_size=4, unique_by=lambda o: o.split("=")[0]))
    wrong = draw(bad)
    key = wrong.lstrip("+~").split("=")[0]
    line = [override for override in line if override.split("=")[0] != key]
    line.insert(draw(st.integers(0, len(line))), wrong)
    return line


no_flags = pieces.filter(lambda text: not text.startswith("-"))


@st.composite
def noise_lines(draw: st.DrawFn) -> Line:
    """Any text at all; an empty list of strategies sees to it that nothing is ever measured."""
    line = draw(st.lists(no_flags, min_size=1, max_size=3))
    line = [text for text in line if text not in ("run", "summary", "compare", "runs", "report")]
    return [*line, "strategy=[]", "experiment=null"]


@st.composite
def bad_verbs(draw: st.DrawFn) -> Line:
    name = words.map(lambda word: f"no/such/{word}")
    path = name | no_flags.filter(lambda text: not Path(text).exists())
    verb = draw(st.sampled_from(["summary", "runs", "compare"]))
    paths = draw(st.lists(path, min_size=1, max_size=3))
    flags = st.sampled_from(["--by", "--margin=x", "--nonsense", "--across=é"])
    options = draw(st.lists(flags, max_size=2))
    return [verb, *paths, *options]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(line: Line, folder: Path, capfd: pytest.CaptureFixture[str]) -> str:
    capfd.readouterr()
    status = main(line)
    error = capfd.readouterr().err
    assert status == 2, (line, error)
    assert error.startswith("gradbench: "), error
    assert error.count("\n") == 1, error
    assert "Traceback" not in error
    assert len(error) < 2000
    assert list(folder.iterdir()) == []
    return error


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(bad_lines() | noise_lines() | bad_verbs())
@example(["=x", "strategy=[]"])
@example(["~", "strategy=[]"])
@example(["", "strategy=[]"])
@example(["run=\n", "strategy=[]"])
def test_a_bad_command_line_is_refused(
    empty: Path, capfd: pytest.CaptureFixture[str], line: Line
) -> None:
    refused(line, empty, capfd)


LONG = "x" * 100_000


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (["rule.lr=-1"], "rule.lr"),
        (["rule.lr=nan"], "rule.lr"),
        (["rule.lr=[1]"], "rule.lr"),
        (["rule=adam", "rule.betas=3"], "rule"),
        (["threads=1000000000"], "4096"),
        (["threads=99999999999999999999999999"], "4096"),
        (["measurement.budget_s=-1"], "measurement.budget_s"),
        (["measurement.replicates=0"], "measurement.replicates"),
        (["measurement.product_rounds=0"], "measurement.product_rounds"),
        (["strategy=[]"], "at least one"),
        (["zeroing=[]"], "at least one"),
        (["strategy=[no_grad,[foreach]]"], "strategy"),
        (["strategy.no_grad=null"], "no_grad"),
        (["rule=[sgd,adam]"], "-m rule=A,B"),
        (["~model"], "mlp_small"),
        (["model=null"], "mlp_small"),
        (["colour=red"], "colour"),
        (["+colour=red"], "colour"),
        (["модель=gpt2"], "модель"),
        (["run=é"], "quotes"),
        (["run=" + "é" * 200], "quotes"),
        ([f"run='{'é' * 200}'"], "folder name"),
        (["run='a\nb'"], "folder name"),
        ([f"run={LONG}"], "folder name"),
        ([f"model={LONG}"], "mlp_small"),
        ([f"{LONG}=1"], "not an option"),
        (["output="], "output=results"),
        ([f"output={LONG}"], "output"),
        (["output=/dev/null/x"], "/dev/null"),
        (["--nonsense"], "--nonsense"),
        (["--cfg", "nonsense"], "nonsense"),
        (["--config-name", "nonsense"], "nonsense"),
        (["-m", "rule=sgd,bogus"], "adamw"),
        (["-m", "seed=range(1,2,3,4)"], "range"),
        (["hydra/launcher=nonsense"], "nonsense"),
        (["hydra.run.dir=[1]"], "hydra"),
        (["run=${nowhere}"], "nowhere"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, list) else "",
)
def test_extremes_are_refused(
    empty: Path, capfd: pytest.CaptureFixture[str], line: Line, named: str
) -> None:
    given = {override.split("=")[0] for override in line}
    defaults = [override for override in TINY if override.split("=")[0] not in given]
    flags = [argument for argument in line if argument.startswith("-")]
    at = line.index(flags[0]) + 2 if flags and flags[0] != "-m" else 0
    assert named in refused([*line[:at], *defaults, *line[at:]], empty, capfd)


@pytest.mark.parametrize(
    "line",
    [
        ["measurement.budget_s=0", "strategy=[no_grad]"],
        ["strategy=[no_grad,no_grad]", "zeroing=[set_to_none,set_to_none]"],
        ["run='Läufe — 1 = α'", "strategy=[no_grad]"],
    ],
)
def test_extremes_that_are_sound_are_measured(
    empty: Path, capfd: pytest.CaptureFixture[str], line: Line
) -> None:
    import gradbench

    assert main([*(o for o in TINY if "budget" not in o or "budget" not in line[0]), *line]) == 0
    cells = gradbench.load("results")
    assert (cells["strategy"] == "no_grad").sum() == cells["zeroing"].replace("", None).nunique()
    assert not cells.duplicated("cell").any()
