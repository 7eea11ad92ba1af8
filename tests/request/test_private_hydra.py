"""What gradbench uses of Hydra without Hydra's promise."""

from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from gradbench.request.hydra_app import ComposedOnce, PrepareMultirun, run_jobs
from gradbench.request.messages import hydras_flags
from hydra_plugins.gradbench_launcher import _basic


def test_private_parser_of_flags_knows_the_documented_ones() -> None:
    said = hydras_flags().parse_args(["-m", "--cfg", "job", "--package", "model", "seed=1", "a=b"])
    assert said.multirun, "hydra._internal.utils.get_args_parser no longer parses -m"
    assert (said.cfg, said.package) == ("job", "model")
    assert said.overrides == ["seed=1", "a=b"], "overrides are parsed in another way"


def test_private_name_of_the_basic_launcher_is_known() -> None:
    names = [kind.__name__ for kind in Plugins.instance().discover(Launcher)]
    assert "BasicLauncher" in names, f"hydra/launcher=basic is one of {names} by now"
    assert _basic().__module__.startswith("hydra.")


def test_private_sweep_asks_one_loader_for_each_job_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    composed: list[int] = []
    jobs: list[int] = []
    ask = ComposedOnce.__call__

    def counted(once: ComposedOnce, master_config: object, sweep_overrides: list[str]) -> object:
        asked.append(tuple(sweep_overrides))
        config = ask(once, master_config, sweep_overrides)  # type: ignore[arg-type]
        composed.append(id(config))
        return config

    monkeypatch.setattr(ComposedOnce, "__call__", counted)
    monkeypatch.setattr(PrepareMultirun, "choices", {})
    monkeypatch.setattr("sys.argv", ["gradbench"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    run_jobs(
        ["-m", "seed=1,2"],
        lambda config: jobs.append(config.seed),
        run="r",
        scratch=tmp_path,
        ahead=lambda _: None,
    )
    assert jobs == [1, 2]
    assert len(asked) == 4, (
        f"Hydra's sweeper and launcher no longer ask the loader that compose_each_once changed: "
        f"it heard of {asked}"
    )
    assert composed[:2] == composed[2:], "a job's configuration was composed twice"
