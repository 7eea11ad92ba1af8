"""``python -m gradbench diagnose``: a script runs as Python runs it, and is told of."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradbench.cli.main import main

ROOT = str(Path(__file__).parents[2])
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOT}

TRAIN = """
import argparse
import sys

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--updates", type=int, default=10)
parser.add_argument("--steps", default="")
parser.add_argument("--cut", action="store_true")
args = parser.parse_args()
print("the script says", args.steps, sys.argv[0])
encoder, head = nn.Linear(3, 2), nn.Linear(2, 1)
optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
for _ in range(args.updates):
    optimizer.zero_grad()
    hidden = encoder(torch.ones(4, 3))
    if args.cut:
        hidden = hidden.detach()  # the cause
    head(hidden).square().mean().backward()
    optimizer.step()
print("the end")
"""
CAUSE = next(n for n, line in enumerate(TRAIN.splitlines(), 1) if "# the cause" in line)

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a script."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def write(file: Path, *lines: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def diagnose(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "gradbench", "diagnose", *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def test_a_healthy_script_is_ended_early_and_that_is_said(folder: Path, capsys: Captured) -> None:
    before = sys.modules["__main__"], list(sys.argv), list(sys.path)
    assert main(["diagnose", "train.py", "--steps", "mine"]) == 0
    said = capsys.readouterr().out
    assert "the script says mine train.py" in said
    assert "the end" not in said
    assert "nothing found: watched 8 updates of 4 parameters by 1 optimizer" in said
    assert "ended after 8 updates: --whole lets it run to its end" in said
    assert (sys.modules["__main__"], sys.argv, sys.path) == before
    assert main(["diagnose", "--whole", "train.py"]) == 0
    said = capsys.readouterr().out
    assert "the end" in said
    assert "--whole" not in said


def test_a_finding_is_drawn_and_fails(folder: Path, capsys: Captured) -> None:
    assert main(["diagnose", "--steps", "2", "train.py", "--cut"]) == 1
    said = capsys.readouterr().out
    assert f"train.py:{CAUSE}" in said
    assert "GB101" in said
    assert "ended after 2 updates" in said
    assert main(["diagnose", "--ignore", "GB102,gb101", "train.py", "--cut"]) == 0
    assert main(["diagnose", "--only", "GB102", "--only", "GB103", "train.py", "--cut"]) == 0


def test_what_is_a_warning_fails_or_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradbench.diagnosis import conclude as module
    from gradbench.diagnosis.finding import Check, Finding, Place, Severity

    check = Check(
        id="GB911", title="t", severity=Severity.warning, symptom="none", why="w", fix="f"
    )
    found: tuple[Finding, ...] = (check.found(Place("train.py", 1), "m"),)
    monkeypatch.setattr(module, "look_all", lambda *_: found)
    (folder / "status.py").write_text("raise SystemExit(3)\n")
    assert main(["diagnose", "status.py"]) == 1
    assert main(["diagnose", "--fail-on", "error", "status.py"]) == 3


@pytest.mark.parametrize("form", ["json", "sarif", "html", "screen"])
def test_a_form_is_written_to_a_file(folder: Path, capsys: Captured, form: str) -> None:
    # A script that goes elsewhere takes the file with it nowhere.
    write(folder / "train.py", TRAIN, "import os", "os.chdir('/')")
    arguments = ("--format", form, "--output", "found", "--whole", "train.py", "--cut")
    assert main(["diagnose", *arguments]) == 1
    assert "written: found" in capsys.readouterr().out
    text = (folder / "found").read_text()
    assert "GB101" in text
    if form == "json":
        report = json.loads(text)
        [found] = report["findings"]
        assert (found["file"], found["line"]) == ("train.py", CAUSE)
        assert report["steps"] == 10
        assert report["overhead"] > 1
        assert report["watched"] == {"parameters": 4, "optimizers": 1, "backward passes": 10}
    if form == "sarif":
        assert json.loads(text)["runs"][0]["results"][0]["ruleId"] == "GB101"


def test_the_standard_output_is_the_machines_alone(folder: Path) -> None:
    write(
        folder / "loud.py",
        "import atexit, ctypes, subprocess, sys",
        "c = ctypes.CDLL(None)",
        "print('python')",
        "c.puts(b'of C')",
        "subprocess.run(['echo', 'of a process'])",
        "sys.__stdout__.write('past sys.stdout')",
        "atexit.register(lambda: (print('at the end'), c.puts(b'of C at the end')))",
    )
    answer = diagnose("--format", "json", "loud.py", cwd=folder)
    assert answer.returncode == 0
    assert json.loads(answer.stdout)["findings"] == []
    for said in ("python", "of C", "of a process", "past sys.stdout", "at the end"):
        assert said in answer.stderr
    assert "of C at the end" in answer.stderr


def test_what_a_script_raises_is_shown_as_python_shows_it(folder: Path) -> None:
    write(
        folder / "raises.py",
        "import torch",
        "from torch import nn",
        "import torch.nn.functional as F",
        "def train():",
        "    weight = torch.zeros(3, requires_grad=True)",
        "    try:",
        "        nn.Linear(3, 2)(torch.zeros(1, 4))",
        "    except RuntimeError as error:",
        "        print(error)",
        "    try:",
        "        F.relu(weight, inplace=True)",
        "    except RuntimeError as error:",
        "        value = weight.exp()",
        "        value.add_(1)",
        "        value.sum().backward()",
        "if __name__ == '__main__':",
        "    train()",
    )
    plain = subprocess.run(
        [sys.executable, "raises.py"], cwd=folder, capture_output=True, text=True
    )
    answer = diagnose("raises.py", cwd=folder)
    assert plain.stderr.count("Traceback") == 2
    assert answer.stderr == plain.stderr
    assert answer.returncode == 1
    assert "ended by RuntimeError after no update" in answer.stdout


def test_a_script_says_itself_how_it_ends(folder: Path, capsys: Captured) -> None:
    for code, status, said in (
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit('that was it')", 1, "that was it\n"),
    ):
        (folder / "ends.py").write_text(code)
        assert main(["diagnose", "ends.py"]) == status
        assert capsys.readouterr().err == said
    (folder / "ends.py").write_text(
        "import sys\nsys.excepthook = lambda *e: print('hook', e[0])\n1/0"
    )
    assert main(["diagnose", "ends.py"]) == 1
    assert "hook <class 'ZeroDivisionError'>" in capsys.readouterr().out
    (folder / "ends.py").write_text("raise ValueError(")
    assert main(["diagnose", "ends.py"]) == 1
    error = capsys.readouterr().err
    assert "SyntaxError" in error
    assert "gradbench" not in error


def test_what_was_found_is_told_of_a_script_that_is_interrupted(folder: Path) -> None:
    heed = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # a background job ignores it
    wait = ("import signal, time", heed, "open('ready', 'w').close()", "time.sleep(60)")
    write(folder / "long.py", TRAIN, *wait)
    process = subprocess.Popen(
        [sys.executable, "-m", "gradbench", "diagnose", "--whole", "long.py", "--cut"],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "ready").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "GB101" in said
    assert "interrupted after 10 updates" in said
    assert "Traceback" not in errors


def test_classes_of_a_script_reach_other_processes_and_its_threads_end(folder: Path) -> None:
    write(
        folder / "workers.py",
        "import pickle, queue, threading",
        "import torch",
        "from torch import nn",
        "from torch.utils.data import DataLoader, Dataset",
        "class Squares(Dataset):",
        "    def __len__(self):",
        "        return 64",
        "    def __getitem__(self, index):",
        "        return torch.full((3,), index**2.0)",
        "if __name__ == '__main__':",
        "    assert pickle.loads(pickle.dumps(Squares())).__class__ is Squares",
        "    never = queue.Queue()",
        "    threading.Thread(target=never.get).start()",
        "    model = nn.Linear(3, 1)",
        "    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)",
        "    for method, length in (('fork', 32), ('spawn', 8)):",
        "        batches = DataLoader(Squares(), length, num_workers=2,",
        "                             multiprocessing_context=method)",
        "        for batch in batches:",
        "            optimizer.zero_grad()",
        "            model(batch).square().mean().backward()",
        "            optimizer.step()",
    )
    answer = diagnose("--steps", "3", "workers.py", cwd=folder)
    assert answer.returncode == 0, answer.stderr
    assert "nothing found: watched 3 updates" in answer.stdout


def test_a_module_runs_as_with_python_m(folder: Path, capsys: Captured) -> None:
    write(folder / "pack" / "__init__.py", "print('imported by', __import__('sys').argv[0])")
    write(folder / "pack" / "inner.py", "WORD = 'inner'")
    write(
        folder / "pack" / "__main__.py",
        "import sys",
        "from .inner import WORD",
        "print(WORD, __name__, __package__, __spec__.name, sys.argv[1:], sys.argv[0] == __file__)",
    )
    assert main(["diagnose", "-m", "pack", "-m", "--output"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "imported by -m"
    assert said[1] == "inner __main__ pack pack.__main__ ['-m', '--output'] True"
    assert main(["diagnose", "--module", "pack.inner"]) == 0
    capsys.readouterr()
    for name in ("pack.nothing", "pack.inner.more", "nowhere.at.all", "train.py"):
        assert main(["diagnose", "-m", name]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert f"no module {name}" in line


def test_modules_beside_one_script_are_not_those_of_the_next(
    folder: Path, capsys: Captured
) -> None:
    for name in ("one", "two"):
        write(folder / name / "beside.py", f"NAME = {name!r}")
        write(folder / name / "run.py", "import beside", "print('beside', beside.NAME)")
        assert main(["diagnose", f"{name}/run.py"]) == 0
        assert f"beside {name}" in capsys.readouterr().out


def test_a_diagnosis_within_the_script_is_refused(folder: Path, capsys: Captured) -> None:
    write(folder / "nested.py", "import gradbench", "with gradbench.diagnose():", "    pass")
    assert main(["diagnose", "nested.py"]) == 1
    assert "BadRequest: a diagnosis runs already" in capsys.readouterr().err


def test_a_kept_timeline_is_looked_at_again(folder: Path, capsys: Captured) -> None:
    assert main(["diagnose", "--timeline", "seen.parquet", "train.py", "--cut"]) == 1
    capsys.readouterr()
    assert main(["diagnose", "--replay", "seen.parquet"]) == 1
    said = capsys.readouterr().out
    assert "GB101" in said
    assert "the script says" not in said
    assert main(["diagnose", "--replay", "seen.parquet", "--ignore", "GB101"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tain.py"], "no program tain.py: did you mean train.py? give the path of a Python"),
        (["nofolder/x.py"], "no program nofolder/x.py: give the path of a Python script"),
        (["book.ipynb"], "book.ipynb is a notebook: "),
        ([], "no SCRIPT: give a Python script"),
        (["--only", "GB999", "train.py"], "no check GB999: "),
        (["--ignore", "GB101,", "train.py"], "no check : choose from GB101"),
        (["--format", "xml", "train.py"], "--format xml: choose from screen, json, sarif, html"),
        (["--fail-on", "note", "train.py"], "--fail-on note: choose from error, warning"),
        (["--steps", "0", "train.py"], "greater than or equal to 1"),
        (["--steps", "2", "--whole", "train.py"], "--steps and --whole: choose one"),
        (["--output", "nofolder/x", "train.py"], "no folder nofolder: "),
        (["--timeline", ".", "train.py"], ". is a folder: give the name of a file"),
        (["--replay", "train.py"], "train.py is no parquet file"),
        (["--replay", "nothing"], "no timeline nothing: "),
        (["--replay", "x", "--whole", "train.py"], "leave out SCRIPT, --whole"),
    ],
)
def test_a_wrong_request_gets_one_message_and_runs_nothing(
    folder: Path, capsys: Captured, arguments: list[str], said: str
) -> None:
    assert main(["diagnose", *arguments]) == 2
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert line.startswith("gradbench: ")
    assert said in line
    assert captured.out == ""


def test_help_of_the_command_and_of_the_script(folder: Path, capsys: Captured) -> None:
    for flag in ("-h", "--help"):
        assert main(["diagnose", flag]) == 0
        assert "--fail-on" in capsys.readouterr().out
    assert main(["diagnose", "train.py", "-h"]) == 0
    assert "--updates" in capsys.readouterr().out
