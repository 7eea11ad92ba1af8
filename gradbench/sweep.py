"""A command's blocks, one after another: what is missing is measured, what is there is kept."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

import gradbench
from gradbench.config import BadRequest
from gradbench.identity import now
from gradbench.plan import host_name, plan_block
from gradbench.results.schema import RUN
from gradbench.results.store import Store
from gradbench.screen import Screen
from gradbench.worker import Finished, Workers


class CountBlocks(Callback):
    """Counts a multirun's jobs before the first begins, so that the screen can tell an ETA."""

    expected: ClassVar[int] = 1

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Multiply the choices of every swept key, as Hydra's sweeper will.

        Args:
            config: The multirun's configuration.
            kwargs: Not used.
        """
        hydra = GlobalHydra.instance()
        parser = OverridesParser.create(config_loader=hydra.config_loader())
        swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
        choices: dict[str, int] = {}
        for override in parser.parse_overrides([*swept, *config.hydra.overrides.task]):
            sweeps = override.is_sweep_override()
            count = sum(1 for _ in override.sweep_string_iterator()) if sweeps else 1
            choices[override.get_key_element()] = count
        total = 1
        for count in choices.values():
            total *= count
        CountBlocks.expected = total


@dataclass
class Sweep:
    """The blocks of one command.

    Args:
        command: The overrides given.
        screen: Shows progress.
    """

    command: list[str]
    screen: Screen
    error: BadRequest | None = None
    store: Store | None = None
    finished: dict[str, Finished] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._started_at, self._start = now(), time.perf_counter()
        self._workers: Workers | None = None
        self._configurations: dict[str, Any] = {}

    @property
    def blocks(self) -> list[str]:
        """Names of the blocks asked for so far."""
        return list(self._configurations)

    def job(self, config: DictConfig) -> None:
        """Measure one block; the task function that Hydra calls.

        A wrong request is kept in ``error`` and ends the sweep without another block: raised from
        here, Hydra would print it a second time.

        Args:
            config: The job's configuration.
        """
        if self.error is not None:
            return
        try:
            self._job(config)
        except BadRequest as error:
            self.error = error

    def _job(self, config: DictConfig) -> None:
        block = plan_block(config)
        multirun = HydraConfig.get().mode == RunMode.MULTIRUN
        if self.store is None:
            self.store = Store(Path(config.output) / config.run)
            _check_writable(self.store.folder)
            self.screen.begin(CountBlocks.expected if multirun else 1, self.store.folder)
        self._configurations[block.name] = block.options
        label = f"{block.model} · {block.rule} · {block.device}"
        if self.store.is_finished(block.name):
            self.kept.append(block.name)
            self.screen.block_kept(label)
            return
        self._workers = self._workers or Workers()
        self.screen.block_begins(label)
        begun = time.perf_counter()
        try:
            result = self._workers.run(
                block, self.store, self.screen.block_advances, alone=not multirun
            )
        except OSError as error:
            raise BadRequest(f"{self.store.folder} cannot be written: {error}") from error
        self.finished[block.name] = result
        self.screen.block_ends(label, result, time.perf_counter() - begun)
        self.record("running")

    def record(self, state: str) -> None:
        """Write the command's row in ``runs``; nothing if no block was asked for.

        Args:
            state: running, done, failed or interrupted.
        """
        if self.store is None:
            return
        wall_s = time.perf_counter() - self._start
        results = self.finished.values()
        sampling_s = sum(result.sampling_s for result in results)
        stamp = self._started_at.replace(":", "").replace("+0000", "Z")
        row = {
            "run": self.store.folder.name,
            "host": host_name(),
            "started_at": self._started_at,
            "ended_at": None if state == "running" else now(),
            "state": state,
            "command": " ".join(self.command),
            "blocks": len(self._configurations),
            "blocks_measured": len(self.finished),
            "blocks_kept": len(self.kept),
            "wall_s": wall_s,
            "sampling_s": sampling_s,
            "sampling_fraction": sampling_s / wall_s,
            "compile_s": sum(result.compile_s for result in results),
            "python_version": platform.python_version(),
            "torch_version": next((r.torch_version for r in results if r.torch_version), None),
            "gradbench_version": gradbench.__version__,
            "platform": platform.platform(),
            "cpu_count": os.cpu_count(),
            "git_revision": _git_revision(),
            "configuration": json.dumps(self._configurations, sort_keys=True),
        }
        self.store.write(RUN, f"{host_name()}-{stamp}-{os.getpid()}", [row])


def _check_writable(folder: Path) -> None:
    """Refuse an output folder that cannot be made or written, before anything runs."""
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        why = "not a folder" if not existing.is_dir() else "no permission"
        raise BadRequest(
            f"output {folder} cannot be written ({existing}: {why}): choose another, output=FOLDER"
        )


@lru_cache(maxsize=1)
def _git_revision() -> str | None:
    """Return the revision of the checkout gradbench runs from, if it is one."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
