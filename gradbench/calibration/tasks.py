"""What the fresh process of a re-run does: measure the block, or the planted work by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gradbench.calibration.block import PLANTED
from gradbench.errors import BadRequest
from gradbench.request.block import Block
from gradbench.request.task import Finished, Progress
from gradbench.results.schema import CALIBRATION_SAMPLE, PLANTED_WORK
from gradbench.results.store import Store, now


@dataclass(frozen=True)
class _Calibrating:
    """What the two tasks share: a block, and the file that what is seen goes to.

    Args:
        block: What to measure.
        store: Where the rows go.
        name: Name of their file.
    """

    block: Block
    store: Store
    name: str

    @property
    def limit_s(self) -> float:
        """Seconds after which the worker is ended."""
        return float(self.block.options["measurement"]["time_limit_s"])

    def lost(self, reason: str) -> Finished:
        """Store nothing: what was lost is done again.

        Args:
            reason: How the worker was lost.

        Returns:
            What became of it.
        """
        return Finished(Counter(failed=1), [reason])


@dataclass(frozen=True)
class RerunTask(_Calibrating):
    """A re-run of a block.

    Args:
        hogs: Busy processes beside it.
        rerun: Number of the re-run.
        learnt: What earlier re-runs have found out, and need not beside a busy process.
    """

    hogs: int
    rerun: int
    learnt: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def do(self, progress: Progress) -> Finished:
        """Measure the block and store its update samples.

        Args:
            progress: Told how far it is.

        Returns:
            What became of it.

        Raises:
            BadRequest: The options are wrong, or the baseline cannot be measured.
        """
        import torch

        from gradbench.block.run import measure_block
        from gradbench.verify.examination import Examination

        known = {about: Examination.from_values(kept) for about, kept in self.learnt.items()}
        measured = measure_block(self.block, progress, known, count=False)
        baseline = measured.outcomes[0]
        if measured.isolated is None or measured.isolated.estimates is None:
            raise BadRequest(f"the baseline is {baseline.status}: {baseline.reason}")
        shared = {"run": self.block.run, "hogs": self.hogs, "rerun": self.rerun}
        samples = measured.isolated.samples
        seen = measured.isolated.contention
        contention = None if seen is None else seen.reason
        rows = [
            {
                **shared,
                "cell": sample.cell,
                "replicate": sample.replicate,
                "round": sample.round,
                "calls": sample.calls,
                "seconds": sample.seconds,
                "switched": sample.switched,
                "processor": sample.processor,
                "contention": contention,
            }
            for sample in samples
            if sample.phase == "update"
        ]
        self.store.write(CALIBRATION_SAMPLE, self.name, rows)
        return Finished(
            statuses=Counter(outcome.status for outcome in measured.outcomes),
            sampling_s=measured.sampling_s,
            torch_version=str(torch.__version__),
            contention=contention,
            learnt={about: asdict(found) for about, found in measured.examined.items()},
        )


@dataclass(frozen=True)
class PlantedWorkTask(_Calibrating):
    """Measures what the planted work is of the whole, by itself.

    Args:
        seconds: How long it may take.
    """

    seconds: float

    def do(self, progress: Progress) -> Finished:
        """Measure and store the planted work.

        Args:
            progress: Told how far it is.

        Returns:
            What became of it.

        Raises:
            BadRequest: The options are wrong.
        """
        import torch

        from gradbench.calibration.planted_work import measure_planted_work

        block = self.block
        device_name, sizes = measure_planted_work(block, self.seconds, progress)
        rows = [
            {
                "run": block.run,
                "host": block.host,
                "device": block.device,
                "device_name": device_name,
                "strategy": name,
                "fraction": PLANTED[name],
                "difference": size,
                "torch_version": str(torch.__version__),
                "recorded_at": now(),
            }
            for name, size in sizes.items()
        ]
        self.store.write(PLANTED_WORK, self.name, rows)
        return Finished(Counter(ok=len(rows)), torch_version=str(torch.__version__))
