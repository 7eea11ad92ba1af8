"""What a worker does with a trial: observe, and store what was seen."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from gradbench.errors import BadRequest
from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.trial import Trial
from gradbench.request.task import Finished, Progress
from gradbench.request.versions import Versions
from gradbench.results.schema import OBSERVATION
from gradbench.results.store import Store, now
from gradbench.version import __version__

if TYPE_CHECKING:
    from gradbench.devices.base import Device
    from gradbench.observing.experiment import Experiment

WHOLE = "whole experiment"
"""Case of the one row that stands for an experiment that could not run or broke."""


@dataclass(frozen=True)
class TrialTask:
    """A trial to be carried out by a worker.

    Args:
        trial: Which experiment, on which device.
        store: Where its observations go.
        alone: The trial's device is the whole request's, so one that is not there is refused
            instead of stored.
    """

    trial: Trial
    store: Store
    alone: bool = False

    @property
    def name(self) -> str:
        """Name of its file."""
        return self.trial.name

    @property
    def device(self) -> tuple[str, int]:
        """Its device's name and index."""
        return self.trial.device, int(self.trial.options["device"].get("index", 0))

    @property
    def versions(self) -> Versions:
        """What it is measured with."""
        return self.trial.versions

    def at(self, host: str, versions: Versions) -> TrialTask:
        """Return the same trial of another host.

        Args:
            host: Name of the host.
            versions: Those there.
        """
        return replace(self, trial=replace(self.trial, host=host, versions=versions))

    @property
    def limit_s(self) -> float:
        """Seconds after which the worker is ended."""
        return self.trial.time_limit_s

    def do(self, progress: Progress) -> Finished:
        """Run the experiment and store its observations.

        A file that raises keeps what it had seen and leaves a row that says so; the experiment's
        other files go on, unless the device is lost.

        Args:
            progress: Told how far it is.

        Returns:
            What became of it.

        Raises:
            BadRequest: The options are wrong, or the device is not there and was asked for alone.
        """
        import torch

        from gradbench.observing.alive import DeviceLost
        from gradbench.verify.vector_maths import initialize_vector_maths

        initialize_vector_maths()
        experiment, device = self._instantiate()
        version = str(torch.__version__)  # torch's own type would bring torch along
        reason = device.unavailable()
        if reason is not None:
            if self.alone:
                raise BadRequest(f"nothing can run: {reason}")
            return self._store([_whole(Verdict.skipped, reason)], torch_version=version)
        if self.trial.threads is not None:
            torch.set_num_threads(self.trial.threads)
        device_name = device.describe()  # now: a device that gets lost no longer tells
        files = experiment.files
        seen: dict[str, Observation] = {}
        for place, file in enumerate(files):
            part = f"{file.stem}: " if len(files) > 1 else ""
            try:
                for observation in experiment.observe(file, device.torch_device):
                    if observation.case in seen:
                        raise RuntimeError(f"two cases are named {observation.case!r}")
                    seen[observation.case] = observation
                    progress(place / len(files), part + observation.case)
            except BadRequest:
                raise
            except Exception as error:  # what was seen before it broke was seen
                traceback.print_exc()
                broken = _whole(Verdict.failed, f"{type(error).__name__}: {error}".strip(), part)
                seen[broken.case] = broken
                if isinstance(error, DeviceLost):
                    break
        if not seen:
            seen[WHOLE] = _whole(Verdict.failed, "it observed nothing")
        return self._store(
            list(seen.values()),
            device_name=device_name,
            threads=torch.get_num_threads(),
            torch_version=version,
        )

    def lost(self, reason: str) -> Finished:
        """Store one row that says how the experiment was lost.

        Args:
            reason: How the worker was lost.

        Returns:
            What became of the experiment.
        """
        return self._store([_whole(Verdict.failed, reason)])

    def _instantiate(self) -> tuple[Experiment, Device]:
        from gradbench.block.axes import instantiate_option

        trial = self.trial
        experiment: Experiment = instantiate_option(
            f"experiment={trial.experiment}", trial.options["experiment"]
        )
        device: Device = instantiate_option(f"device={trial.device}", trial.options["device"])
        return experiment, device

    def _store(
        self,
        seen: Sequence[Observation],
        device_name: str | None = None,
        threads: int | None = None,
        torch_version: str | None = None,
    ) -> Finished:
        trial = self.trial
        shared = {
            "run": trial.run,
            "experiment": trial.experiment,
            "device": trial.device,
            "device_name": device_name,
            "threads": threads or trial.threads,
            "torch_version": torch_version,
            "gradbench_version": __version__,
            "host": trial.host,
            "recorded_at": now(),
        }
        rows = [{**shared, **_columns(observation)} for observation in seen]
        self.store.write(OBSERVATION, trial.name, rows)
        failed = [o for o in seen if o.verdict is Verdict.failed]
        return Finished(
            statuses=Counter(o.verdict.value for o in seen),
            reasons=sorted({f"{o.case}: {o.message}" for o in failed}),
            torch_version=torch_version,
        )


def _whole(verdict: Verdict, message: str, part: str = "") -> Observation:
    return Observation(
        case=part + WHOLE,
        expected="runs",
        outcome="broke" if verdict is Verdict.failed else "did not run",
        verdict=verdict,
        message=message,
    )


def _columns(observation: Observation) -> dict[str, Any]:
    """Turn an observation's fields into columns."""
    row = {field.name: getattr(observation, field.name) for field in fields(observation)}
    return {**row, "verdict": observation.verdict.value}
