import json
from pathlib import Path

import pandas as pd
import pytest
import torch

import gradbench
from gradbench.cli.commands.predict import parse_count
from gradbench.cli.main import main
from gradbench.errors import BadRequest
from gradbench.predict.api import rankings
from gradbench.predict.crossover import crossovers
from gradbench.predict.evidence import gather_evidence
from gradbench.predict.group import how_to_ask
from gradbench.results.store import Store
from tests.predict.planted import ACCESSES, COSTS, cells, memory_s, planted


def stored(folder: Path, rows: pd.DataFrame) -> Path:
    for block, own in rows.groupby("block"):
        plain = own.astype(object).where(own.notna(), None).to_dict("records")
        Store(folder / "r").write(
            "cells", str(block), [{str(k): v for k, v in r.items()} for r in plain]
        )
    return folder


def test_the_ranking_is_the_planted_one() -> None:
    frame = gradbench.predict((100, 5_000_000), results=cells())
    truth = {name: planted(cost, 100, 5_000_000) for name, cost in COSTS.items()}
    assert list(frame["strategy"]) == sorted(truth, key=truth.__getitem__)
    for row in frame.to_dict("records"):
        assert row["seconds"] == pytest.approx(truth[row["strategy"]], rel=0.1)
        assert row["seconds_low"] <= row["seconds"] <= row["seconds_high"]
    assert frame["ratio"].iloc[0] == 1
    assert (frame["outside"] == 1).all()


def test_a_rule_that_computes_much_is_not_predicted() -> None:
    muon = cells(operations=10**9).assign(rule="muon", run="other")
    rows = pd.concat([cells(), muon], ignore_index=True)
    assert [each.circumstances["rule"] for each in gather_evidence(rows)] == ["adamw"]
    assert len(gradbench.predict((100, 5_000_000), results=rows)) == len(COSTS)
    with pytest.raises(BadRequest, match="rule=muon is not predicted"):
        gradbench.predict((100, 5_000_000), "muon", results=rows)


def test_a_module_is_counted_and_brings_its_type() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.Linear(300, 10))
    module[1].bias.requires_grad_(requires_grad=False)
    frame = gradbench.predict(module, results=cells())
    assert set(frame["tensors"]) == {3}
    assert set(frame["parameters"]) == {300 * 300 + 300 + 3000}
    with pytest.raises(BadRequest, match=r"dtype=bfloat16 was not measured: choose from float32"):
        gradbench.predict(module.bfloat16(), results=cells())


def test_it_refuses_to_extrapolate_and_says_how_far() -> None:
    with pytest.raises(
        BadRequest, match=r"56\.5 × the most that was measured.*large.*--extrapolate"
    ):
        gradbench.predict((100, 7_000_000_000), results=cells())
    frame = gradbench.predict((100, 7_000_000_000), results=cells(), extrapolate=True)
    assert frame["outside"].iloc[0] == pytest.approx(7e9 / 124e6)
    (ranking,) = frame.attrs["rankings"]
    assert len(ranking.outside) == 1
    with pytest.raises(BadRequest, match="of the fewest"):
        gradbench.predict((1, 100), results=cells())


def test_what_is_wrong_is_not_ranked() -> None:
    rows = cells()
    flat = (rows["strategy"] == "flat") & (rows["model"] == "small")
    rows.loc[flat, ["status", "reason"]] = ["wrong", "off"]
    frame = gradbench.predict((100, 5_000_000), results=rows)
    assert list(frame["strategy"]) == ["fused"]


def test_what_is_approximate_is_not_ranked() -> None:
    rows = cells()
    flat = (rows["strategy"] == "flat") & (rows["model"] == "small")
    rows.loc[flat, ["status", "update_error"]] = ["approximate", 0.021]
    (ranking,) = rankings(rows, 150, 1_000_000, "adamw")
    assert list(ranking.rows["strategy"]) == ["fused"]
    assert ranking.evidence.unfit == {"flat": "approximate: its updates are off by 2.1 %"}


def test_crossovers_are_where_the_costs_meet() -> None:
    (ranking,) = rankings(cells(), 150, 1_000_000, "adamw")
    (change,) = ranking.by_parameters
    assert (change.below, change.above) == ("flat", "fused")
    # 4e-5 + 1e-7 n + 1.8 m = 1e-5 + 5e-6 n + 1.1 m
    meets = (5e-6 - 1e-7) * 150 - 3e-5
    found = memory_s(4 * ACCESSES * change.at) * 0.7
    assert found == pytest.approx(meets, rel=0.15)


def test_a_lead_within_the_margin_is_no_crossover() -> None:
    near = {"a": lambda x: 1.0 + 0.001 * x, "b": lambda x: 1.02 + 0 * x}
    assert crossovers(near, 1, 50, 0.05) == []
    (change,) = crossovers(near, 1, 500, 0.05)
    assert change.at == pytest.approx(20, rel=0.01)
    assert crossovers(near, 1, 500, 0.6) == []


def test_the_verdict_beside_the_fastest_is_by_the_interval_of_their_ratio() -> None:
    frame = gradbench.predict((100, 5_000_000), results=cells())
    first, second = frame.to_dict("records")
    assert (first["ratio_low"], first["ratio_high"], first["verdict"]) == (1, 1, "same")
    assert second["ratio_low"] < second["ratio"] < second["ratio_high"]
    assert second["ratio_low"] == pytest.approx(second["ratio"] ** 2 / second["ratio_high"])
    apart = gradbench.predict((100, 5_000_000), results=cells(), margin=0.01)
    assert apart["verdict"].iloc[1] == "slower"
    vast = gradbench.predict((100, 5_000_000), results=cells(), margin=9.0)
    assert list(vast["verdict"]) == ["same", "same"]
    below = second["ratio"] - 1
    unsure = gradbench.predict((100, 5_000_000), results=cells(), margin=below)
    assert unsure["verdict"].iloc[1] == "unclear"
    with pytest.raises(BadRequest, match=r"margin=-1: choose a share from 0 to 10"):
        gradbench.predict((100, 5_000_000), results=cells(), margin=-1)


def test_two_machines_are_two_rankings() -> None:
    both = pd.concat([cells(), cells(host="other", device_name="Chip 2")], ignore_index=True)
    frame = gradbench.predict((100, 5_000_000), results=both)
    assert frame.groupby(["host", "device_name"]).ngroups == 2


def test_a_stray_block_does_not_keep_from_a_prediction() -> None:
    """One model at other threads, another dtype, torch and machine beside seven."""
    one = {"linear": (2, 11)}
    stray = [
        cells(models=one, run="s", threads=1, recorded_at="2027-01-01"),
        cells(models=one, run="t", dtype="bfloat16"),
        cells(models=one, run="u", torch_version="2.14.0", recorded_at="2027-01-01"),
        cells(models=one, run="v", host="other"),
    ]
    rows = pd.concat([*stray, cells()], ignore_index=True)
    (ranking,) = rankings(rows, 100, 5_000_000, "adamw")
    assert ranking.evidence.circumstances["threads"] == 2
    assert ranking.evidence.models == 7
    asked = [how_to_ask(other, ranking.evidence, "here@rule=adamw") for other in ranking.others]
    assert asked == ["--threads 1", "--results 'here@rule=adamw,torch_version=2.14.0'"]


def test_of_as_many_models_the_latest_are_chosen() -> None:
    new = cells(torch_version="2.14.0", run="s", recorded_at="2027-01-01")
    for rows in ([cells(), new], [new, cells()]):
        (ranking,) = rankings(pd.concat(rows, ignore_index=True), 100, 5_000_000, "adamw")
        assert ranking.evidence.circumstances["torch_version"] == "2.14.0"
        assert len(ranking.others) == 1


def test_where_too_few_are_asked_for_it_says_of_what_there_are_enough() -> None:
    stray = cells(models={"linear": (2, 11)}, run="s", threads=1)
    rows = pd.concat([stray, cells()], ignore_index=True)
    with pytest.raises(
        BadRequest, match=r"needs 4 models of .*1 thread .*only linear.*enough of .*\(--threads 2\)"
    ):
        rankings(rows, 100, 5_000_000, "adamw", threads=1)


@pytest.mark.parametrize(
    ("accesses", "dtype", "each"), [(7, "float32", 16), (3, "float32", 8), (5, "bfloat16", 6)]
)
def test_what_a_model_takes_is_parameters_gradients_and_state(
    accesses: int, dtype: str, each: int
) -> None:
    rows = cells(dtype=dtype)
    size = 2 if dtype == "bfloat16" else 4
    rows["traffic_bytes"] = size * accesses * rows["parameters"]
    (ranking,) = rankings(rows, 100, 5_000_000, "adamw")
    assert ranking.needed_bytes == each * 5_000_000


def test_a_model_that_does_not_fit_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stored(tmp_path, cells(memory_bytes=24 * 10**9))
    given = ["predict", "--tensors", "300", "--parameters", "7B", "--results", str(folder)]
    assert main([*given, "--extrapolate"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "DOES NOT FIT: parameters, gradients and state take 112 GB" in shown
    assert "112,000,000,000 bytes), the device has 24 GB" in shown
    assert main(given) == 2
    assert "it does not fit there" in capsys.readouterr().err
    small = [*given[:4], "1B", *given[5:], "--extrapolate"]
    assert main(small) == 0
    assert "DOES NOT FIT" not in capsys.readouterr().out
    (ranking,) = rankings(cells(), 100, 5_000_000, "adamw")
    assert ranking.fits is None


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("--rule", "adamx"), "rule=adamx was not measured: choose from adamw"),
        (("--device", "cuda"), "device=cuda was not measured: choose from cpu"),
        (("--threads", "64"), "threads=64 was not measured: choose from 2"),
        (("--parameters", "7e9"), "--extrapolate"),
        (("--parameters", "many"), "--parameters many: choose a number"),
        (("--tensors", "10", "--parameters", "5"), "there must be one tensor or more"),
        (("--results", "nowhere"), "no such file or folder"),
        (("--margin", "much"), "--margin much: give a share such as 5% or 0.05"),
    ],
)
def test_a_wrong_request_gets_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: tuple[str, ...], says: str
) -> None:
    folder = stored(tmp_path, cells())
    given = ("--tensors", "100", "--parameters", "1M", "--results", str(folder))
    assert main(["predict", *given, *asked]) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.out == ""


def test_the_command_prints_ranking_crossovers_and_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stored(tmp_path, cells())
    given = ["predict", "--tensors", "150", "--results", str(folder)]
    assert main([*given, "--parameters", "1M"]) == 0
    shown = capsys.readouterr().out
    assert "flat below" in shown
    assert "fused above" in shown
    assert "each model left out in turn" in shown
    assert "EXTRAPOLATED" not in shown
    assert main([*given, "--parameters", "7B", "--extrapolate"]) == 0
    shown = capsys.readouterr().out
    assert "EXTRAPOLATED" in shown
    assert "56.5 × the most" in shown
    assert main([*given, "--parameters", "1M", "--format", "json"]) == 0
    assert {row["strategy"] for row in json.loads(capsys.readouterr().out)} == {"fused", "flat"}


def test_one_thread_is_no_threads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stored(tmp_path, cells().assign(threads=1))
    asked = ["predict", "--tensors", "150", "--parameters", "1M", "--results", str(folder)]
    assert main(asked) == 0
    assert " · 1 thread · " in capsys.readouterr().out


def test_a_file_left_out_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stored(tmp_path, cells())
    (folder / "r" / "cells" / "torn.parquet").write_bytes(b"PAR1")
    given = ["--tensors", "150", "--parameters", "1M", "--results", str(folder)]
    assert main(["predict", *given]) == 1
    printed = capsys.readouterr()
    assert "torn.parquet" in printed.err
    assert "flat below" in printed.out


def test_too_few_models_say_what_to_do() -> None:
    few = cells(models={"a": (2, 100), "b": (4, 1000)})
    with pytest.raises(BadRequest, match=r"needs 4 models .* only a, b: measure more"):
        gradbench.predict((3, 500), results=few)


@pytest.mark.parametrize(
    ("text", "number"), [("300", 300), ("7e9", 7_000_000_000), ("124M", 124_000_000), ("7B", 7e9)]
)
def test_counts_are_read(text: str, number: int) -> None:
    assert parse_count(text, "--parameters") == number


@pytest.mark.parametrize("text", ["", "0", "-3", "x", "1e400", "0.2", "nan"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="choose a number"):
        parse_count(text, "--parameters")
