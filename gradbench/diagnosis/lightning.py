"""A callback that watches ``fit`` of PyTorch Lightning."""

from __future__ import annotations

from collections.abc import Iterable

from lightning.pytorch import Callback, LightningModule, Trainer

from gradbench.diagnosis.api import Diagnosis
from gradbench.diagnosis.watched_training import WatchedTraining


class DiagnosisCallback(Callback):
    """Watches ``fit`` from begin to end, and prints what is found.

    ``Trainer(callbacks=[DiagnosisCallback()])``; afterwards ``callback.diagnosis`` is what
    ``gradbench.diagnose`` gives.

    Args:
        level: Raise ``FindingsError`` at the end if there are findings: ``warning`` for errors
            and warnings, ``error`` for errors alone; None only prints them.
        only: Ids of the checks to look with; none means all.
        ignore: Ids of checks to leave out.

    Raises:
        BadRequest: There is no such level or check.
    """

    def __init__(
        self, level: str | None = None, only: Iterable[str] = (), ignore: Iterable[str] = ()
    ) -> None:
        self._training = WatchedTraining(level, only, ignore)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The diagnosis of the last ``fit``; None before the first."""
        return self._training.diagnosis

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin, before optimizers are built."""
        if stage == "fit":
            self._training.begin(type(pl_module).__name__)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """End, and tell."""
        if stage == "fit":
            self._training.end(tell=trainer.is_global_zero)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """End with what was raised; it passes through."""
        self._training.end(exception, tell=trainer.is_global_zero)
