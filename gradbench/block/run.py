"""The steps of a block: build, verify, train, time, count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from gradbench.block.axes import Axes, instantiate_axes
from gradbench.block.building import build_model
from gradbench.block.compiling import fail_uncompiled, strategies_that_compiled
from gradbench.block.measured import Measured, Outcome
from gradbench.models.base import Batch, UnavailableModel
from gradbench.request.block import Block, Cell
from gradbench.request.task import Progress
from gradbench.rules.base import Unavailable
from gradbench.timing.bandwidth import BandwidthControl
from gradbench.timing.cold import ColdDevice
from gradbench.timing.compilation import Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.dispatch import dispatch_seconds
from gradbench.timing.instructions import instructions
from gradbench.timing.isolated import IsolatedResult, Isolation, measure_isolated
from gradbench.timing.training import Training, TrainingResult
from gradbench.verify.float64_run import Float64Run, Gradients, trained_parameters
from gradbench.verify.tensors import Tensors, Verifiable, cut_shape
from gradbench.verify.vector_maths import initialize_vector_maths
from gradbench.verify.verification import verify


def measure_block(block: Block, progress: Progress) -> Measured:
    """Measure a block in this process.

    Args:
        block: What to measure.
        progress: Told how far it is.

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
        return _Measurement(block, axes, module, batch, progress, compilation).run()


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
        self._trained = trained_parameters(module, batch)
        named = dict(module.named_parameters())
        self._shapes = [named[name].shape for name in self._trained]
        self._outcomes: dict[str, Outcome] = {}
        self._verification_s = 0.0
        cold = self._settings["cache"] == "cold"
        self._cold = ColdDevice(axes.device) if cold else None

    def run(self) -> Measured:
        """Verify, train, time and count."""
        block, device = self._block, self._axes.device
        if not self._trained:
            reason = "no parameter of the model gets a gradient"
            return Measured([Outcome(cell, "skipped", reason) for cell in block.cells])
        design = self._verify(Verifiable(self._allocate(self._verified_shapes())))
        contenders = self._contenders("ok")
        control = BandwidthControl.matching(self._axes.rule, self._elements, self._dtype)
        baseline = block.cells[0].name
        isolated = None
        dispatch_s: dict[str, float] = {}
        training = self._train(contenders) if contenders else None
        timed = self._timed()
        if self._outcomes[baseline].status == "ok":
            dispatch_s = dispatch_seconds(
                self._cold or device,
                self._axes.rule,
                self._shapes,
                self._dtype,
                timed,
                most_calls=1 if self._cold else 1000,
                compilation=self._compilation,
            )
            timed = self._timed()
        if self._outcomes[baseline].status == "ok":
            isolated = self._isolate(timed, control)
            timed = self._timed()
        if self._outcomes[baseline].status != "ok":
            isolated = None  # nothing that speedups could refer to
        counted = self._count_instructions(timed) if self._settings["callgrind"] else {}
        return Measured(
            outcomes=[self._outcomes[cell.name] for cell in block.cells],
            device_name=device.describe(),
            driver=device.driver(),
            clock_hz=device.clock_hz(),
            threads=torch.get_num_threads(),
            design=design,
            shapes=self._shapes,
            control=control,
            isolated=isolated,
            dispatch_s=dispatch_s,
            instructions=counted,
            training=training,
            compiled=self._compilation.by_cell,
            verification_s=self._verification_s,
        )

    @property
    def _dtype(self) -> torch.dtype:
        return getattr(torch, self._block.dtype)  # type: ignore[no-any-return]

    def _allocate(self, shapes: Sequence[torch.Size]) -> Tensors:
        device = self._axes.device.torch_device
        return Tensors.allocate(shapes, self._dtype, device, self._axes.rule)

    @property
    def _elements(self) -> int:
        return sum(shape.numel() for shape in self._shapes)

    def _verified_shapes(self) -> list[torch.Size]:
        """Cut tensors along their first dimension to what verification takes of each."""
        most = self._settings["verify_elements"]
        return [shape if most is None else cut_shape(shape, most) for shape in self._shapes]

    def _contender(self, cell: Cell) -> Contender:
        axes = self._axes
        return Contender(cell, axes.strategies[cell.strategy], axes.zeroings[cell.zeroing])

    def _contenders(self, status: str) -> list[Contender]:
        """List the cells of a status that carry out updates, the bandwidth control left out."""
        outcomes = self._outcomes.values()
        return [self._contender(o.cell) for o in outcomes if o.status == status and o.cell.strategy]

    def _timed(self) -> list[Contender]:
        """List the cells to be timed in isolation, those left out that compiled while timed."""
        fail_uncompiled(self._outcomes, self._compilation)
        return [c for c in self._contenders("ok") if not c.strategy.in_backward]

    def _verify(self, tensors: Verifiable) -> str:
        """Verify the star's cells, and the product's where the budget holds it."""
        block = self._block
        star = [
            cell
            for cell in block.cells
            if cell.role in ("baseline", "candidate")
            and (cell.strategy == block.cells[0].strategy or cell.zeroing == block.default_zeroing)
        ]
        round_s = self._verify_cells(star, tensors)
        product = [c for c in block.cells if c.role == "candidate" and c not in star]
        per_strategy = round_s / max(len(star), 1)
        whole_s = per_strategy * (len(star) + len(product)) * self._settings["product_rounds"]
        if product and whole_s * self._settings["replicates"] > self._isolated_budget_s:
            reason = (
                f"not in the star design: the budget of {self._settings['budget_s']:g} s does not "
                f"hold all combinations, so {block.default_zeroing} stands for this zeroing"
            )
            for cell in product:
                why = self._unsupported(cell)
                self._outcomes[cell.name] = Outcome(cell, "skipped", why or reason)
            design = "star"
        else:
            self._verify_cells(product, tensors)
            design = "product"
        fail_uncompiled(self._outcomes, self._compilation)
        for cell in block.cells:
            if cell.role == "twin":  # the baseline once more
                self._outcomes[cell.name] = replace(self._outcomes[block.cells[0].name], cell=cell)
            elif cell.role == "bandwidth":  # computes nothing that could be wrong
                self._outcomes[cell.name] = Outcome(cell, "ok")
        return design

    def _unsupported(self, cell: Cell) -> str | None:
        axes = self._axes
        strategy = axes.strategies[cell.strategy]
        return strategy.supports(axes.rule, axes.device.torch_device, self._dtype)

    def _verify_cells(self, cells: Sequence[Cell], tensors: Verifiable) -> float:
        """Verify cells; return the seconds that one round of samples of them would take."""
        round_s = 0.0
        for done, cell in enumerate(cells):
            self._progress(0.15 * done / len(cells), f"verifying {cell.name}")
            reason = self._unsupported(cell)
            if reason is not None:
                self._outcomes[cell.name] = Outcome(cell, "skipped", reason)
                continue
            contender = self._contender(cell)
            try:
                verdict = verify(
                    contender.strategy,
                    contender.zeroing,
                    self._axes.rule,
                    tensors,
                    self._settings["verify_updates"],
                )
            except Unavailable as missing:  # where the strategy did not say so beforehand
                self._outcomes[cell.name] = Outcome(cell, "skipped", str(missing))
                continue
            except Exception as error:  # a cell's failure is a row, and the others go on
                message = next(iter(f"{type(error).__name__}: {error}".splitlines()))
                self._outcomes[cell.name] = Outcome(cell, "failed", message)
                continue
            finally:
                self._compilation.credit(cell.name)
            status = "ok" if verdict.reason is None else "wrong"
            self._outcomes[cell.name] = Outcome(cell, status, verdict.reason, verdict)
            last_s = verdict.step_s[-1]
            self._verification_s += sum(verdict.step_s)
            whole_s = last_s * self._elements / max(verdict.elements, 1)
            round_s += (
                whole_s + self._cold.evict_s
                if self._cold
                else whole_s + max(whole_s, self._settings["sample_s"])
            )
        return round_s

    @property
    def _isolated_budget_s(self) -> float:
        return float(self._settings["budget_s"] * (1 - self._settings["training_share"]))

    def _isolate(
        self, contenders: Sequence[Contender], control: BandwidthControl
    ) -> IsolatedResult:
        settings = self._settings
        isolation = Isolation(
            budget_s=self._isolated_budget_s,
            precision=settings["precision"],
            sample_s=settings["sample_s"],
            replicates=settings["replicates"],
            min_replicates=settings["min_replicates"],
            min_rounds=settings["min_rounds"],
            cold=self._cold is not None,
        )
        return measure_isolated(
            self._cold or self._axes.device,
            self._axes.rule,
            lambda: self._allocate(self._shapes),
            contenders,
            control,
            isolation,
            self._order,
            lambda done: self._progress(0.45 + 0.5 * done, "timing updates and zeroings"),
            self._compilation,
        )

    def _count_instructions(self, contenders: Sequence[Contender]) -> dict[str, int]:
        """Count the instructions of each strategy with the default zeroing, compiled ones apart."""
        # Under valgrind that would take minutes.
        compiling = strategies_that_compiled(self._block.cells, self._compilation.by_cell)
        default = [
            contender
            for contender in contenders
            if contender.cell.zeroing == self._block.default_zeroing
            and contender.cell.role != "twin"
            and contender.cell.strategy not in compiling
        ]
        counted = {}
        for done, contender in enumerate(default):
            self._progress(0.95 + 0.05 * done / len(default), f"callgrind: {contender.cell.name}")
            counted[contender.cell.name] = instructions(
                contender, self._axes.rule, self._shapes, self._dtype
            )
        return counted

    def _train(self, contenders: Sequence[Contender]) -> TrainingResult:
        settings = self._settings
        self._progress(0.15, "training in float64")
        training = Training(
            self._axes.device,
            self._axes.rule,
            self._module,
            self._batch,
            self._trained,
            settings["training_steps"],
            self._block.seed,
            self._float64_runs({c.zeroing.accumulates for c in contenders}),
            self._block.cells[0].strategy,
            self._compilation,
        )
        return training.measure(
            [c for c in contenders if c.cell.role != "twin"],
            settings["budget_s"] * settings["training_share"],
            self._order,
            lambda done: self._progress(0.2 + 0.25 * done, "training"),
        )

    def _float64_runs(self, accumulating: set[bool]) -> dict[bool, list[Gradients]]:
        """Follow the float64 run for zeroings that clear and those that accumulate."""
        run = Float64Run(self._module, self._batch, self._axes.rule, self._block.seed)
        return run.follow_both(1 + self._settings["training_steps"], accumulating)
