"""The command line as a person uses it: in a process of its own, in an empty folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gradbench
from gradbench.cli.main import main
from gradbench.request.schema import groups
from tests.conftest import FACTORIES, TINY

ROOT = str(Path(__file__).parents[2])
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, str(FACTORIES)])}
COMMAND = [sys.executable, "-m", "gradbench"]


def gradbench_command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_help_lists_verbs_and_groups(tmp_path: Path) -> None:
    for flag in ("--help", "-h"):
        answer = gradbench_command(flag, cwd=tmp_path)
        assert answer.returncode == 0
        words = answer.stdout.replace(",", " ").replace("=", " ").split()
        assert {"run", "summary"} <= set(words)
        for group, options in groups().items():
            assert {group, *options} <= set(words), group


def test_the_installed_command_takes_its_own_arguments(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom gradbench.cli.main import main\n"
        "sys.argv = ['gradbench', '--help']\nmain()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True
    )
    assert answer.returncode == 0
    assert "summary" in answer.stdout


def test_help_needs_neither_torch_nor_pandas(tmp_path: Path) -> None:
    code = (
        "import sys; from gradbench.cli.main import main; main(['--help']); "
        "heavy = {'torch', 'pandas', 'pyarrow', 'scipy'} & set(sys.modules); sys.exit(bool(heavy))"
    )
    answer = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, cwd=tmp_path)
    assert answer.returncode == 0


def test_the_parent_imports_no_torch(tmp_path: Path) -> None:
    arguments = [*TINY, "strategy=[no_grad]"]
    code = (
        f"import sys; from gradbench.cli.main import main; status = main({arguments!r}); "
        "sys.exit(status or 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, cwd=tmp_path)
    assert answer.returncode == 0


def test_a_block_is_measured_stored_and_kept(tmp_path: Path) -> None:
    arguments = [*TINY, "run=first", "strategy=[no_grad,flat]"]
    first = gradbench_command(*arguments, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "no_grad" in first.stdout
    assert "speedup" in first.stdout
    assert "results/first" in first.stdout
    cells = gradbench.load(tmp_path / "results")
    assert set(cells["run"]) == {"first"}
    stored = {file: file.stat().st_mtime_ns for file in (tmp_path / "results").rglob("*.parquet")}
    again = gradbench_command(*arguments, cwd=tmp_path)
    assert again.returncode == 0
    assert "kept" in again.stdout
    for file, changed in stored.items():
        assert file.stat().st_mtime_ns == changed, file
    runs = gradbench.load(tmp_path / "results", "runs")
    assert list(runs["blocks_measured"]) == [1, 0]
    assert list(runs["blocks_kept"]) == [0, 1]
    assert set(runs["state"]) == {"done"}
    assert 0 < runs["sampling_fraction"][0] < 1
    assert 0 < runs["verify_fraction"][0] < 1
    summary = gradbench_command("summary", "results/first", cwd=tmp_path)
    assert summary.returncode == 0
    assert "no_grad" in summary.stdout


def test_a_sweep_is_a_block_per_combination(tmp_path: Path) -> None:
    overrides = ["-m", "rule=sgd,adam", "strategy=[no_grad]", "zeroing=[set_to_none]", "run=s"]
    answer = gradbench_command(*TINY, *overrides, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "[2/2]" in answer.stdout
    cells = gradbench.load(tmp_path)
    assert sorted(cells["rule"].unique()) == ["adam", "sgd"]
    assert list((tmp_path / "results" / "s").rglob("*.yaml")) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["model=bogus"], ["model=bogus", "mlp_small", "gpt2"]),
        (["strategy=[no_grad,bogus]"], ["strategy=bogus", "no_grad", "foreach"]),
        (["sweep=quick"], ["a sweep is +sweep=quick", "choose from all, "]),
        (["measurement.budget_s=-1"], ["measurement.budget_s=-1", "a number from 0.0 up"]),
        (["+sweep=bogus"], ["sweep=bogus", "quick", "all"]),
        (["-m", "rule=sgd,bogus"], ["rule=bogus", "adamw"]),
        (["dtype=int8"], ["int8", "float32", "bfloat16"]),
        (["seed=abc"], ["seed", "abc"]),
        (["measurment=quick"], ["measurment", "measurement"]),
        (["measurement.budget=3"], ["measurement.budget", "measurement"]),
        (["rule.foo=1"], ["rule.foo", "rule"]),
        (["rule.lr=fast"], ["rule.lr", "fast", "positive number"]),
        (["rule.lr=0"], ["rule.lr=0", "changes nothing", "positive number"]),
        (["rule=adamw", "rule.weight_decay=-1"], ["rule.weight_decay=-1", "0 or a positive"]),
        (["threads=0"], ["threads=0", "1"]),
        (["strategy=[]"], ["strategy", "at least one"]),
        (["model=custom"], ["model.factory", "package.module:function"]),
        (["model=custom", "model.factory=nowhere:make"], ["nowhere"]),
        (["model=custom", "model.factory=gradbench_factories:absent"], ["absent"]),
        (["model=custom", "model.factory=gradbench_factories:not_a_pair"], ["module", "batch"]),
        (["strategy=[cuda_graph]"], ["CUDA"]),
        (["device=cuda", "device.index=99"], ["CUDA"]),
        (["output=a_file/below"], ["a_file", "output="]),
        (["model=linear model=linear"], ["grammar"]),
        (["experiment=bogus"], ["experiment=bogus", "article", "all"]),
        (["+experiment=[article,bogus]"], ["experiment=bogus", "article"]),
        (["nonsense"], ["nonsense"]),
        (["summary", "nowhere"], ["nowhere"]),
    ],
)
def test_bad_request_gets_one_message_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], named: list[str]
) -> None:
    (tmp_path / "a_file").write_text("")
    given = {argument.split("=")[0] for argument in arguments}
    defaults = [override for override in TINY if override.split("=")[0] not in given]
    overrides = [] if arguments[0] == "summary" else defaults
    answer = gradbench_command(*arguments, *overrides, cwd=tmp_path)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stderr.startswith("gradbench: ")
    assert len(answer.stderr.strip().splitlines()) == 1, answer.stderr
    for word in named:
        assert word in answer.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["a_file"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["strategy@baseline=bogus"],
        ["strategy@baseline=null"],
        ["-m", "strategy@baseline=no_grad,bogus"],
    ],
)
def test_a_baseline_is_not_chosen_from_all(tmp_path: Path, arguments: list[str]) -> None:
    answer = gradbench_command(*arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr.startswith("gradbench: strategy@baseline=")
    assert "choose from batched, compiled_per_tensor, " in answer.stderr


@pytest.mark.parametrize(
    ("word", "meant"),
    [("sumary", "did you mean summary?"), ("runn", "did you mean run or runs?"), ("model", "")],
)
def test_a_mistyped_verb_is_told_the_verbs(
    word: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word, "results"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"gradbench: '{word}' is no verb and no override KEY=VALUE: {meant}")
    assert "choose from calibrate, compare, diagnose, explain, predict, report" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["--cfg", "job", "--package", "rule"], ["--package", "rule", "-c", "job"]]
)
def test_the_value_of_a_flag_is_no_verb(tmp_path: Path, arguments: list[str]) -> None:
    answer = gradbench_command(*arguments, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "lr:" in answer.stdout


def test_failed_cells_exit_1_and_the_sweep_goes_on(tmp_path: Path) -> None:
    answer = gradbench_command(
        *TINY[1:],
        "-m",
        "model=custom",
        "model.factory=gradbench_factories:killed,gradbench_factories:fine",
        "strategy=[no_grad]",
        cwd=tmp_path,
    )
    assert answer.returncode == 1, answer.stderr
    assert "SIGKILL" in answer.stdout
    cells = gradbench.load(tmp_path)
    assert set(cells["status"]) == {"failed", "ok"}


def test_a_failed_block_is_measured_again(tmp_path: Path) -> None:
    common = [*TINY[1:], "model=custom", "strategy=[no_grad]", "run=r"]
    module = tmp_path / "mine.py"
    module.write_text("def make():\n    raise RuntimeError('not yet')\n")
    assert gradbench_command(*common, "model.factory=mine:make", cwd=tmp_path).returncode == 1
    module.write_text(
        "import torch\ndef make():\n    return torch.nn.Linear(3, 2), torch.randn(4, 3)\n"
    )
    assert gradbench_command(*common, "model.factory=mine:make", cwd=tmp_path).returncode == 0
    assert set(gradbench.load(tmp_path)["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_interrupted_sweep_keeps_finished_blocks(
    tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    process = subprocess.Popen(
        [*COMMAND, *TINY, "-m", "rule=sgd,adam", "seed=range(50)", "run=r", "strategy=[no_grad]"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(tmp_path.rglob("cells/*.parquet")):
        time.sleep(0.05)
    os.killpg(process.pid, sent) if sent == signal.SIGINT else process.send_signal(sent)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == status, errors
    assert "run=r" in errors
    assert "Traceback" not in errors
    assert set(gradbench.load(tmp_path)["status"]) == {"ok"}
    assert set(gradbench.load(tmp_path, "runs")["state"]) == {"interrupted"}
    assert not list(tmp_path.rglob("*.partial"))


def test_experiments_run_one_breaks_and_the_others_are_kept(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()  # a user's own folder of the same name
    (tmp_path / "experiments" / "article.py").write_text("raise RuntimeError('shadowed')")
    mine = tmp_path / "mine.py"
    mine.write_text("import os, signal\ndef observe(device):\n    os.kill(os.getpid(), 11)\n")
    target = "+experiment.mine._target_=gradbench.observing.experiment.Experiment"
    arguments = ["experiment=[article]", target, f"+experiment.mine.file={mine}", "run=r"]
    first = gradbench_command(*arguments, cwd=tmp_path)
    assert first.returncode == 1, first.stdout + first.stderr
    for words in ("2 experiments → results/r", "article · cpu", "refuted", "SIGSEGV", "written: "):
        assert words in first.stdout
    rows = gradbench.load(tmp_path / "results" / "r", table="observations")
    assert set(rows.loc[rows["experiment"] == "mine", "verdict"]) == {"failed"}
    article = rows[rows["experiment"] == "article"]
    assert len(article) > 10
    assert "failed" not in set(article["verdict"])
    assert gradbench.load(tmp_path).empty  # no block was measured

    mine.write_text(
        "from gradbench.observing.observation import Observation, Verdict\n"
        "def observe(device):\n"
        "    defect = Verdict.defect\n"
        "    yield Observation(case='one', expected='x', outcome='y', verdict=defect)\n"
    )
    again = gradbench_command(*arguments, cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr  # a defect of PyTorch's is no failure
    assert "article · cpu: kept" in again.stdout
    assert "mine · cpu: 1 defect" in again.stdout
    assert len(gradbench.load(tmp_path, "observations")) == len(article) + 1
    runs = gradbench.load(tmp_path, "runs")
    assert runs["state"].to_list() == ["failed", "done"]
    assert runs["experiments"].to_list() == [2, 2]
    assert runs["experiments_run"].to_list() == [2, 1]
    assert runs["experiments_kept"].to_list() == [0, 1]
    assert runs["blocks"].to_list() == [0, 0]
    summary = gradbench_command("summary", "results/r", cwd=tmp_path)
    assert summary.returncode == 0
    assert "mine · cpu: 1 defect" in summary.stdout


def test_the_blocks_of_a_sweep_share_the_experiments_of_their_device(tmp_path: Path) -> None:
    overrides = ["-m", "rule=sgd,adam", "device=cpu,cuda", "+experiment=article", "measure=true"]
    answer = gradbench_command(
        *TINY, *overrides, "strategy=[no_grad]", "zeroing=[set_to_none]", "run=r", cwd=tmp_path
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "4 blocks and 2 experiments → results/r" in answer.stdout
    assert "[6/6]" in answer.stdout
    seen = gradbench.load(tmp_path, "observations")
    assert sorted(seen["device"].unique()) == ["cpu", "cuda"]
    assert len(list((tmp_path / "results" / "r" / "observations").iterdir())) == 2
    assert len(list((tmp_path / "results" / "r" / "cells").iterdir())) == 4
