"""The observation of a program, from its begin to its end."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from time import perf_counter
from types import TracebackType
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.parallel import DistributedDataParallel

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.observe.backward import Backward
from gradbench.diagnosis.observe.existing import watch_existing
from gradbench.diagnosis.observe.forks import hush_in_forks
from gradbench.diagnosis.observe.functions import watch_functions
from gradbench.diagnosis.observe.mode import ObservingMode
from gradbench.diagnosis.observe.modules import watch_modules
from gradbench.diagnosis.observe.names import Names
from gradbench.diagnosis.observe.optimizers import Optimizers
from gradbench.diagnosis.observe.patches import Patches
from gradbench.diagnosis.observe.places import Line, Places, place_of
from gradbench.diagnosis.observe.raised_by import raised_by
from gradbench.diagnosis.observe.raw import Raw
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.saved import SavedTensors
from gradbench.diagnosis.observe.scaling import watch_scaling
from gradbench.diagnosis.observe.schedules import watch_schedules
from gradbench.diagnosis.observe.sources import assigned_in
from gradbench.diagnosis.observe.warned import watch_warnings
from gradbench.diagnosis.timeline import Event, Kind, TensorInfo, Timeline

_HANDED_ON = ("concurrent/futures/_base.py", "concurrent/futures/thread.py")
"""Files that hand an error on from one thread to another."""


class EndOfObservation(BaseException):
    """Ends the program after the updates that were asked for."""


class Observer:
    """Watches what runs within ``with``; the program computes bitwise the same.

    Args:
        steps: End the program after so many updates, by `EndOfObservation`; None lets it run.
        program: Path or name of the program.
        package: Folder whose files are the user's, wherever it lies.
        existing: Modules and optimizers that were made before; of the kind that is not among them,
            all that live are found. None looks for none.
    """

    def __init__(
        self,
        steps: int | None = None,
        program: str = "",
        package: str = "",
        existing: Collection[object] | None = None,
    ) -> None:
        self._limit = steps
        self._program = program
        self._existing = existing
        self._places = Places(package)
        self.recorder = Recorder(self._places)
        self.recorder.names = Names(self.recorder)
        self.recorder.on_update = self._after_update
        self._mode = ObservingMode(self.recorder)
        self._patches = Patches()
        self._stack = ExitStack()
        self._started = 0.0
        self._seconds = 0.0
        self._ended = ""

    def __enter__(self) -> Observer:
        """Begin to watch."""
        recorder, patches = self.recorder, self._patches
        self._started = perf_counter()
        hush_in_forks(recorder)
        saved = SavedTensors(recorder)
        optimizers = Optimizers(recorder, self._after_update)
        optimizers.watch(patches)
        if self._existing is not None:
            with recorder.counted():
                watch_existing(recorder, optimizers, patches, self._existing)
        watch_modules(recorder, patches)
        watch_scaling(recorder, optimizers, patches)
        watch_schedules(recorder, optimizers, patches)
        watch_functions(recorder, patches)
        backward = Backward(recorder, self._mode)
        watched = backward.around(torch.autograd.backward)
        self._mode.passes(torch.autograd.backward, watched)
        patches.replace(torch.autograd, "backward", watched)
        engine = vars(torch.autograd)["_engine_run_backward"]
        patches.replace(torch.autograd, "_engine_run_backward", backward.around_engine(engine))
        self._watch_own_hooks(saved)
        self._watch_ddp()
        watch_warnings(self._places, patches)
        self._hooks = saved_tensors_hooks(saved.pack, saved.unpack)
        self._watch_hookless()
        self._stack.callback(patches.undo)
        self._stack.enter_context(self._hooks)
        self._stack.enter_context(self._mode)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put everything back, and remember what was raised."""
        recorder = self.recorder
        self._stack.close()
        with recorder.guarded():
            if isinstance(error, Exception):
                self._record_error(error)
            recorder.names.changed = True
            with recorder.hushed():
                recorder.names.learn()
        recorder.add(Kind.end, "end")
        # What still holds a watch, such as a scheduler's copy of step, records no more.
        recorder.quiet += 1
        self._seconds = perf_counter() - self._started

    def _after_update(self) -> None:
        """End the program where enough was seen."""
        if self._limit is not None and self.recorder.step >= self._limit:
            self._ended = f"ended after {self._limit} updates"
            raise EndOfObservation

    def _watch_own_hooks(self, saved: SavedTensors) -> None:
        """Watch saved_tensors_hooks of the program's: they take the place of ours."""
        original = saved_tensors_hooks.__enter__
        recorder = self.recorder

        def enter(hooks: Any) -> Any:
            if recorder.here and type(hooks) is saved_tensors_hooks and hooks is not self._hooks:
                hooks.pack_hook, hooks.unpack_hook = saved.watched(
                    hooks.pack_hook, hooks.unpack_hook
                )
            return original(hooks)

        self._patches.replace(saved_tensors_hooks, "__enter__", enter)

    def _watch_hookless(self) -> None:
        """Take our hooks away where PyTorch allows none, such as in torch.func's transforms."""
        original = torch._C._autograd._saved_tensors_hooks_disable

        def disable(message: str, *args: Any) -> Any:
            return original(message, False)

        self._patches.replace(torch._C._autograd, "_saved_tensors_hooks_disable", disable)

    def _watch_ddp(self) -> None:
        original = DistributedDataParallel.__init__
        recorder = self.recorder

        def init(module: Any, *args: Any, **kwargs: Any) -> None:
            original(module, *args, **kwargs)
            if recorder.here:
                parameters = [each for each in module.parameters() if each.requires_grad]
                recorder.add(
                    *(Kind.ddp, "DistributedDataParallel", parameters),
                    unused=bool(kwargs.get("find_unused_parameters")),
                )

        self._patches.replace(DistributedDataParallel, "__init__", init)

    def _record_error(self, error: Exception) -> None:
        """Record what the program raised, with the user's lines of its traceback."""
        lines: list[Line] = []
        frames = []
        through_thread = False
        traceback = error.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            if self._places.kind(code.co_filename) == 0:
                lines.append((code, traceback.tb_lineno))
                frames.append(traceback.tb_frame)
            traceback = traceback.tb_next
            through_thread = through_thread or code.co_filename.endswith(_HANDED_ON)
        recorder = self.recorder
        with recorder.hushed():
            recorder.names.look(frames[-3:])
        lines.reverse()
        recorder.events.append(
            Raw(
                recorder.count,
                recorder.step,
                Kind.error,
                type(error).__name__,
                lines[0] if lines else None,
                tuple(lines[1:9]),
                api="",
                inputs=(),
                live=(),
                outputs=(),
                out_live=False,
                grad_mode=torch.is_grad_enabled(),
                detail={
                    "message": str(error)[:2000],
                    "by": raised_by(error, self._places),
                    "roots": recorder.failed[0],
                    "of": recorder.failed[1],
                    "thread": through_thread,
                },
            )
        )
        recorder.count += 1

    def timeline(self) -> Timeline:
        """Return what was seen.

        Returns:
            The timeline; events and tensors as they were when the observation ended.
        """
        recorder, names = self.recorder, self.recorder.names
        places: dict[Line, Place] = {}

        def place(line: Line | None) -> Place | None:
            if line is None:
                return None
            found = places.get(line)
            if found is None:
                made = place_of(line)
                assert made is not None
                found = places[line] = made
            return found

        events = tuple(
            Event(
                index=raw.index,
                step=raw.step,
                kind=raw.kind,
                name=raw.name,
                place=place(raw.line),
                callers=tuple(found for line in raw.callers if (found := place(line)) is not None),
                api=raw.api,
                inputs=raw.inputs,
                live=raw.live,
                outputs=raw.outputs,
                out_live=raw.out_live,
                grad_mode=raw.grad_mode,
                detail=raw.detail,
            )
            for raw in recorder.events
        )
        tensors = {
            number: TensorInfo(
                number=number,
                name=names.names.get(number, seen.variable if number not in names.held else ""),
                role=seen.role,
                shape=seen.shape,
                dtype=seen.dtype,
                alias=seen.alias,
                of=seen.of,
                module=names.classes.get(number, ""),
                held=names.held.get(number, "") if number not in names.names else "",
                alive=seen.ref() is not None,
                holder=assigned_in(*names.holders[number]) if number in names.holders else None,
                root=names.roots.get(number, 0),
                places=names.places.get(number, 0),
            )
            for number, seen in recorder.seen.items()
        }
        return Timeline(
            events=events,
            tensors=tensors,
            program=self._program,
            steps=recorder.step,
            seconds=self._seconds,
            observing=recorder.observing,
            unseen=tuple(recorder.unseen),
            ended=self._ended,
            dropped=recorder.dropped,
        )
