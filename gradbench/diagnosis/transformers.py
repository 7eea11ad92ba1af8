"""A callback that watches ``train`` of Hugging Face's Trainer."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gradbench.diagnosis.api import Diagnosis
from gradbench.diagnosis.watched_training import WatchedTraining


class DiagnosisCallback(TrainerCallback):
    """Watches ``train`` from begin to end, and prints what is found.

    ``Trainer(callbacks=[DiagnosisCallback()])``; afterwards ``callback.diagnosis`` is what
    ``gradbench.diagnose`` gives. An error that a training step raises is told of as well; to have
    every error told of, write ``with gradbench.diagnose(): trainer.train()`` instead.

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
        self._trainer: Trainer | None = None

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The diagnosis of the last ``train``; None before the first."""
        return self._training.diagnosis

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin."""
        self._forget_trainer()
        self._training.begin(type(kwargs.get("model")).__name__)
        self._trainer = _running_trainer()
        if self._trainer is not None:
            step = self._trainer.training_step
            vars(self._trainer)["training_step"] = self._ends_with_errors(step, state)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End, and tell."""
        self._forget_trainer()
        self._training.end(tell=state.is_world_process_zero)

    def _ends_with_errors(self, step: Callable[..., Any], state: TrainerState) -> Any:
        """End with what a training step raises: no callback is called for that."""

        @functools.wraps(step)
        def training_step(*args: Any, **kwargs: Any) -> Any:
            try:
                return step(*args, **kwargs)
            except BaseException as error:
                self._forget_trainer()
                self._training.end(error, tell=state.is_world_process_zero)
                raise

        return training_step

    def _forget_trainer(self) -> None:
        """Give the trainer its own step back."""
        if self._trainer is not None:
            vars(self._trainer).pop("training_step", None)
        self._trainer = None


def _running_trainer() -> Trainer | None:
    """Find the trainer that calls: it hands itself to no callback."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_inner_training_loop":
            variables = frame.f_locals
            trainer = variables.get("self")
            if sys.version_info < (3, 13):
                # What the copy of the variables holds would live as long as the frame.
                variables.clear()
            return trainer if isinstance(trainer, Trainer) else None
        frame = frame.f_back
    return None
