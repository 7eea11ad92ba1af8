"""The steps of a block: build, verify, train, time, count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from gradbench.block.axes import Axes, instantiate_axes
from gradbench.block.building import build_model
from gradbench.block.compiling import VerificationTime, fail_uncompiled, strategies_that_compiled
from gradbench.block.counting import Counted, count_block, count_instructions
from gradbench.block.measured import Measured, Outcome
from gradbench.block.verifier import Verifier
from gradbench.models.base import Batch, UnavailableModel
from gradbench.request.block import Block, Cell
from gradbench.request.task import Progress
from gradbench.statistics.estimates import COMPUTE
from gradbench.statistics.selection import EXCHANGE
from gradbench.strategies.flattening import Empty, fresh
from gradbench.timing.bandwidth import BandwidthControl
from gradbench.timing.binding import Control
from gradbench.timing.cold import ColdDevice
from gradbench.timing.compilation import Compilation
from gradbench.timing.compute import ComputeControl
from gradbench.timing.contender import Contender
from gradbench.timing.dispatch import dispatch_seconds
from gradbench.timing.exchange import ExchangeControl
from gradbench.timing.isolated import measure_isolated
from gradbench.timing.isolation import IsolatedResult, Isolation
from gradbench.timing.losses import Loss, Losses
from gradbench.timing.training import Training, TrainingResult, most_steps
from gradbench.verify.examination import Examination
from gradbench.verify.float64_run import Float64Run, Gradients, Left, left_by, trained_parameters
from gradbench.verify.tensors import Tensors, cut_shape
from gradbench.verify.vector_maths import initialize_vector_maths
from gradbench.verify.whole_verifiable import verifiable

_MOST_WHOLE = 16
"""A model of at most as many times ``verify_elements`` is not cut: for the shapes of a cut one a
strategy may compile graphs that timing cannot use, which takes longer than the elements do."""

_WHOLE_ELEMENTS = 1 << 17
"""Of a tensor that is verified, where a rule is not element-wise."""


def measure_block(
    block: Block,
    progress: Progress,
    known: Mapping[str, Examination] | None = None,
    *,
    count: bool = True,
) -> Measured:
    """Measure a block in this process.

    Args:
        block: What to measure.
        progress: Told how far it is.
        known: Examinations of earlier blocks, which are not repeated.
        count: Count what updates do, too.

    Returns:
        Everything seen; a block that cannot run at all has only skipped outcomes.

    Raises:
        BadRequest: The options are wrong.
    """
    axes = instantiate_axes(block)
    if block.threads is not None:
        torch.set_num_threads(block.threads)
    initialize_vector_maths()
    reason = axes.device.unavailable()
    if reason is not None:
        return Measured([Outcome(cell, "skipped", reason) for cell in block.cells])
    progress(0.0, "building the model")
    try:
        module, batch = build_model(block, axes)
    except UnavailableModel as unavailable:
        return Measured([Outcome(cell, "skipped", str(unavailable)) for cell in block.cells])
    with Compilation() as compilation:
        measurement = _Measurement(block, axes, module, batch, progress, compilation)
        measurement.examined.update(known or {})
        return measurement.run(count=count)


class _Measurement:
    """The steps of a block on a device that is there and a model that fits."""

    def __init__(
        self,
        block: Block,
        axes: Axes,
        module: nn.Module,
        batch: Batch,
        progress: Progress,
        compilation: Compilation,
    ) -> None:
        self._block, self._axes, self._progress = block, axes, progress
        self._module, self._batch, self._compilation = module, batch, compilation
        self._settings = block.options["measurement"]
        self._order = np.random.default_rng(block.seed)
        # Any step of training: where chance decides what is used, one shows not all.
        seeds = range(block.seed, block.seed + 1 + most_steps(self._settings["training_steps"]))
        self._trained = trained_parameters(module, batch, seeds)
        named = dict(module.named_parameters())
        self._shapes = [named[name].shape for name in self._trained]
        self._untrained = sum(p.requires_grad for p in named.values()) - len(self._trained)
        self._outcomes: dict[str, Outcome] = {}
        self.examined: dict[str, Examination] = {}
        self._lost_fraction: float | None = None
        self._verified_updates_s = 0.0
        cold = self._settings["cache"] == "cold"
        self._cold = ColdDevice(axes.device) if cold else None

    def run(self, *, count: bool) -> Measured:
        """Verify, train, time and count."""
        block, device = self._block, self._axes.device
        if not self._trained:
            reason = "no parameter of the model gets a gradient"
            return Measured([Outcome(cell, "skipped", reason) for cell in block.cells])
        design = self._verify()
        control = BandwidthControl.matching(self._axes.rule, self._shapes, self._dtype)
        compute = ComputeControl.matching(
            self._axes.rule, self._shapes, self._dtype, device.torch_device
        )
        isolated = None
        dispatch_s: dict[str, float] = {}
        timed = self._timed()
        if timed:
            losses = Losses()
            dispatch_s = dispatch_seconds(
                self._cold or device,
                self._axes.rule,
                self._shapes,
                self._dtype,
                timed,
                losses,
                most_calls=1 if self._cold else 1000,
                compilation=self._compilation,
            )
            self._lose(losses)
        timed = self._timed()
        if timed:
            isolated = self._isolate(timed, control, compute)
            self._lose(isolated.losses)
        fail_uncompiled(self._outcomes, self._compilation)
        contenders = self._contenders()
        training = None
        if contenders and self._settings["training_steps"] > 0:
            training = self._train(contenders, isolated)
        self._lose(training.losses if training else {})
        counted = self._count() if count else Counted()
        if self._settings["callgrind"]:
            compiling = strategies_that_compiled(block.cells, self._compilation.by_cell)
            timed = [c for c in self._timed() if c.cell.strategy not in compiling]
            found = count_instructions(block, self._axes, self._shapes, timed, self._progress)
            self._lose(found.losses)
            counted = replace(counted, instructions=found.instructions)
        return Measured(
            outcomes=[self._outcomes[cell.name] for cell in block.cells],
            device_name=device.describe(),
            driver=device.driver(),
            clock_hz=device.clock_hz(),
            memory_bytes=device.total_bytes(),
            threads=torch.get_num_threads(),
            design=design,
            shapes=self._shapes,
            untrained=self._untrained,
            control=control,
            compute=compute,
            isolated=isolated,
            dispatch_s=dispatch_s,
            counts=counted.counts,
            instructions=counted.instructions,
            training=training,
            compiled=self._compilation.by_cell,
            lost_fraction=self._lost_fraction,
            examined=self.examined,
            verify_s=self._verification_time.seconds,
            other_calls_s=self._verified_updates_s + counted.seconds,
        )

    @property
    def _dtype(self) -> torch.dtype:
        return getattr(torch, self._block.dtype)  # type: ignore[no-any-return]

    def _allocate(self, shapes: Sequence[torch.Size], empty: Empty = fresh) -> Tensors:
        device = self._axes.device.torch_device
        return Tensors.allocate(shapes, self._dtype, device, self._axes.rule, empty)

    @property
    def _elements(self) -> int:
        return sum(shape.numel() for shape in self._shapes)

    def _verified_shapes(self) -> list[torch.Size]:
        """Cut tensors along their first dimension to what verification takes of each."""
        most = self._settings["verify_elements"]
        if not self._axes.rule.element_wise:  # its truth takes float64 products of matrices
            most = min(most or _WHOLE_ELEMENTS, _WHOLE_ELEMENTS)
        elif most is None or self._elements <= _MOST_WHOLE * most:
            most = self._elements
        return [cut_shape(shape, most) for shape in self._shapes]

    def _contender(self, cell: Cell) -> Contender:
        axes = self._axes
        return Contender(cell, axes.strategies[cell.strategy], axes.zeroings[cell.zeroing])

    def _contenders(self) -> list[Contender]:
        """List the right cells that carry out updates, the bandwidth control left out."""
        outcomes = self._outcomes.values()
        return [self._contender(o.cell) for o in outcomes if o.timed and o.cell.strategy]

    def _timed(self) -> list[Contender]:
        """List the right cells whose update can be timed alone, less those that compiled in it."""
        fail_uncompiled(self._outcomes, self._compilation)
        return [c for c in self._contenders() if not c.strategy.in_backward]

    def _lose(self, losses: Mapping[str, Loss]) -> None:
        """Note cells that raised; with the baseline goes its twin, the same once more."""
        baseline = losses.get(self._block.cells[0].name)
        for name, outcome in self._outcomes.items():
            loss = losses.get(name) or (baseline if outcome.cell.role == "twin" else None)
            if loss is not None and outcome.timed:
                self._outcomes[name] = replace(outcome, status=loss.status, reason=loss.reason)

    def _verify(self) -> str:
        """Verify all cells; return the design that the budget holds."""
        self._verification_time = VerificationTime(self._block.cells, self._compilation)
        shapes = self._verified_shapes()
        tensors = verifiable(
            self._allocate(shapes),
            self._axes.rule,
            self._settings["verify_updates"],
        )
        evict_s = self._cold.evict_s if self._cold else None
        verifier = Verifier(
            self._block, self._axes, tensors, evict_s, self._compilation, self._progress
        )
        verifier.examined = self.examined
        design = verifier.verify(self._shapes, self._isolated_budget_s)
        self._outcomes = verifier.outcomes
        self._verified_updates_s = verifier.verified_updates_s
        self._verification_time.end(verifier.compile_s, whole=shapes == self._shapes)
        return design

    @property
    def _isolated_budget_s(self) -> float:
        return float(self._settings["budget_s"] * (1 - self._settings["training_share"]))

    def _isolate(
        self,
        contenders: Sequence[Contender],
        control: BandwidthControl,
        compute: ComputeControl | None,
    ) -> IsolatedResult:
        settings, device = self._settings, self._cold or self._axes.device
        # Of emptied caches nothing can be handed over.
        exchange = None if self._cold else ExchangeControl.matching(device.torch_device)
        controls: dict[str, Control | None] = {
            "bandwidth": control,
            COMPUTE: compute,
            EXCHANGE: exchange,
        }
        isolation = Isolation(
            budget_s=self._isolated_budget_s,
            precision=settings["precision"],
            sample_s=settings["sample_s"] or self._axes.device.shortest_s,
            replicates=settings["replicates"],
            min_replicates=settings["min_replicates"],
            min_rounds=settings["min_rounds"],
            cold=self._cold is not None,
            margin=settings["margin"],
            noise=settings["noise"],
        )
        return measure_isolated(
            device,
            self._axes.rule,
            partial(self._allocate, self._shapes),
            contenders,
            {name: each for name, each in controls.items() if each is not None},
            isolation,
            self._order,
            lambda done: self._progress(0.15 + 0.5 * done, "timing updates and zeroings"),
            self._compilation,
        )

    def _count(self) -> Counted:
        """Count what updates do; nothing may be timed afterwards."""
        counted = count_block(
            self._axes, self._allocate, self._shapes, self._timed(), self._compilation
        )
        self._lose(counted.losses)
        return counted

    def _train(
        self, contenders: Sequence[Contender], isolated: IsolatedResult | None
    ) -> TrainingResult:
        settings = self._settings
        self._progress(0.65, "training in float64")
        training = Training(
            self._axes.device,
            self._axes.rule,
            self._module,
            self._batch,
            self._trained,
            settings["training_steps"],
            self._block.seed,
            self._float64_runs({left_by(c.zeroing) for c in contenders}),
            self._block.cells[0].strategy,
            self._compilation,
        )
        return training.measure(
            contenders,
            settings["budget_s"] * settings["training_share"],
            self._order,
            lambda done: self._progress(0.7 + 0.25 * done, "training"),
            slower=isolated.slower if isolated is not None else (),
            fastest=isolated.estimates.fastest if isolated and isolated.estimates else None,
            longest_s=settings["whole_steps_s"],
        )

    def _float64_runs(self, wanted: set[Left]) -> dict[Left, list[Gradients]]:
        """Follow the float64 run for each of what zeroings leave."""
        run = Float64Run(self._module, self._batch, self._axes.rule, self._block.seed)
        followed = run.follow_each(1 + self._settings["training_steps"], wanted)
        self._lost_fraction = run.lost_fraction
        return followed
