"""Which cells of a block are right: strategies examined, cells verified, the design chosen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from gradbench.block.axes import Axes
from gradbench.block.compiling import fail_uncompiled
from gradbench.block.measured import Outcome
from gradbench.request.block import Block, Cell
from gradbench.request.task import Progress
from gradbench.timing.binding import bind_with_gradients
from gradbench.timing.compilation import Compilation, forget_graphs
from gradbench.timing.isolation import FIRST_LOOK
from gradbench.timing.losses import loss_of
from gradbench.verify.examination import Examination, Examiner
from gradbench.verify.tensors import Tensors
from gradbench.verify.verifiable import Verifiable
from gradbench.verify.verification import verify


class Verifier:
    """Verifies the cells of a block.

    Args:
        block: Its cells.
        axes: Their objects.
        tensors: What updates are verified on.
        evict_s: Seconds that emptying the caches takes before each call; None for hot ones.
        compilation: Told whose updates compiled.
        progress: Told how far it is.

    Attributes:
        outcomes: What became of each cell, by name.
        examined: Examinations, by what they are about; those that are there are not repeated.
        verified_updates_s: Seconds inside the verified updates.
        compile_s: Seconds in which verified updates compiled, by strategy.
    """

    def __init__(
        self,
        block: Block,
        axes: Axes,
        tensors: Verifiable,
        evict_s: float | None,
        compilation: Compilation,
        progress: Progress,
    ) -> None:
        self._block, self._axes, self._tensors = block, axes, tensors
        self._evict_s, self._compilation, self._progress = evict_s, compilation, progress
        self._settings = block.options["measurement"]
        self._shortest_s = self._settings["sample_s"] or axes.device.shortest_s
        self._examiner = Examiner(axes.rule, tensors.dtype, tensors.device)
        self._raised: dict[str, Outcome] = {}
        self.examined: dict[str, Examination] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.verified_updates_s = 0.0
        self.compile_s: dict[str, float] = defaultdict(float)

    def verify(self, shapes: Sequence[torch.Size], budget_s: float) -> str:
        """Verify the star's cells, and the product's where the budget holds it.

        Args:
            shapes: Of all parameters that are timed.
            budget_s: Seconds for the isolated protocol.

        Returns:
            ``product`` or ``star``.
        """
        block, settings = self._block, self._settings
        star = [
            cell
            for cell in block.cells
            if cell.role in ("baseline", "candidate")
            and (cell.strategy == block.cells[0].strategy or cell.zeroing == block.default_zeroing)
        ]
        for done, cell in enumerate(star):  # before any of their own graphs is compiled
            self._progress(0.1 * done / len(star), f"examining {cell.strategy}")
            if self._refused(cell) is None:
                self._examine(cell)
        larger = self._larger(shapes)
        round_s = self._verify_cells(star, larger)
        product = [c for c in block.cells if c.role == "candidate" and c not in star]
        per_cell = round_s / max(len(star), 1)
        whole_s = per_cell * (len(star) + len(product)) * settings["product_rounds"]
        if product and whole_s * settings["replicates"] > budget_s:
            reason = (
                f"not in the star design: the budget of {settings['budget_s']:g} s does not "
                f"hold all combinations, so {block.default_zeroing} stands for this zeroing"
            )
            for cell in product:
                self.outcomes[cell.name] = self._refused(cell) or Outcome(cell, "skipped", reason)
            design = "star"
        else:
            self._verify_cells(product, larger)
            design = "product"
        self._refuse_what_takes_too_long(shapes, larger, round_s)
        fail_uncompiled(self.outcomes, self._compilation)
        for cell in block.cells:
            if cell.role == "twin":  # the baseline once more
                self.outcomes[cell.name] = replace(self.outcomes[block.cells[0].name], cell=cell)
            elif cell.role == "bandwidth":  # computes nothing that could be wrong
                self.outcomes[cell.name] = Outcome(cell, "ok")
        return design

    def _refused(self, cell: Cell) -> Outcome | None:
        """Ask a cell's strategy whether it can run; None where it can."""
        strategy, tensors = self._axes.strategies[cell.strategy], self._tensors
        try:
            reason = strategy.supports(self._axes.rule, tensors.device, tensors.dtype)
        except Exception as error:
            return _raised(cell, error, "asked whether it can run")
        return None if reason is None else Outcome(cell, "skipped", reason)

    def _larger(self, shapes: Sequence[torch.Size]) -> float:
        """Say how many times what is verified an update of the whole model moves or computes."""
        rule, verified = self._axes.rule, [value.shape for value in self._tensors.tensors.values]
        elements = sum(shape.numel() for shape in shapes) / max(self._tensors.tensors.elements, 1)
        computed = sum(map(rule.operations, verified))
        operations = sum(map(rule.operations, shapes)) / computed if computed else 0.0
        return max(elements, operations)

    def _refuse_what_takes_too_long(
        self, shapes: Sequence[torch.Size], larger: float, round_s: float
    ) -> None:
        """Skip all cells where the fewest rounds and steps would outlive the worker."""
        settings = self._settings
        rounds = min(settings["min_replicates"], FIRST_LOOK) * settings["min_rounds"]
        least_s = round_s * (rounds + (1 + settings["training_steps"]) / 2)
        if least_s > settings["time_limit_s"] and larger > 1:
            least_s *= self._overestimated(shapes, larger)
        if least_s <= settings["time_limit_s"]:
            return
        reason = (
            f"would take {least_s:.0f} s or more on this machine, and measurement.time_limit_s "
            f"is {settings['time_limit_s']:g}"
        )
        for name, outcome in self.outcomes.items():
            if outcome.timed:
                self.outcomes[name] = replace(outcome, status="skipped", reason=reason)

    def _overestimated(self, shapes: Sequence[torch.Size], larger: float) -> float:
        """Time the update that is said to take longest, whole, and say what part of that it does.

        Beside a busy process what each operation of a cut update takes by itself is most of it:
        threads that wait for one another. Of more elements that is no more.
        """
        estimated_s = {
            name: min(outcome.verdict.step_s) * larger
            for name, outcome in self.outcomes.items()
            if outcome.timed and outcome.verdict is not None
        }
        most_s = self._settings["time_limit_s"] / 2  # the second call is timed
        bearable = [name for name, update_s in estimated_s.items() if update_s < most_s]
        if not bearable:
            return 1.0
        longest = max(bearable, key=lambda name: estimated_s[name])
        whole_s = self._whole_s(shapes, self.outcomes[longest].cell)
        return min(whole_s / estimated_s[longest], 1.0)

    def _whole_s(self, shapes: Sequence[torch.Size], cell: Cell) -> float:
        """Time a cell's update of whole tensors; 0 where it raises, which timing will say."""
        axes, tensors = self._axes, self._tensors
        try:
            step, release = bind_with_gradients(
                axes.strategies[cell.strategy],
                axes.zeroings[cell.zeroing],
                axes.rule,
                Tensors.allocate(shapes, tensors.dtype, tensors.device, axes.rule),
            )
            try:
                return min(axes.device.time(step, 1).wall_s for _ in range(2))
            finally:
                release()
        except Exception:
            return 0.0
        finally:
            self._compilation.credit(cell.name)

    def _verify_cells(self, cells: Sequence[Cell], larger: float) -> float:
        """Verify cells; return the seconds that one round of samples of them would take."""
        round_s = 0.0
        for done, cell in enumerate(cells):
            self._progress(0.1 + 0.05 * done / len(cells), f"verifying {cell.name}")
            outcome = self._verify_cell(cell)
            before_s = self._compilation.seconds
            self._compilation.credit(cell.name)
            self.compile_s[cell.strategy] += self._compilation.seconds - before_s
            self.outcomes[cell.name] = outcome
            if outcome.verdict is None:
                continue
            least_s = min(outcome.verdict.step_s)
            self.verified_updates_s += sum(outcome.verdict.step_s)
            whole_s = least_s * larger
            other_s = self._evict_s or max(whole_s, self._shortest_s)
            round_s += whole_s + other_s
        return round_s

    def _verify_cell(self, cell: Cell) -> Outcome:
        """Examine a cell's strategy, once, and verify the cell itself."""
        refused = self._refused(cell)
        if refused is not None:
            return refused
        examined = self._examine(cell)
        if isinstance(examined, Outcome):
            return replace(examined, cell=cell)
        strategy = self._axes.strategies[cell.strategy]
        try:
            verdict = verify(strategy, self._axes.zeroings[cell.zeroing], self._tensors)
        except Exception as error:  # a cell's failure is a row, and the others go on
            return _raised(cell, error, "verification")
        wrong = examined.reason or verdict.reason
        right = "ok" if strategy.approximation is None else "approximate"
        return Outcome(cell, "wrong" if wrong else right, wrong, verdict, examined)

    def _examine(self, cell: Cell) -> Examination | Outcome:
        """Examine a cell's strategy, or remember what was seen."""
        about = self._about(cell)
        if about in self.examined:
            return self.examined[about]
        if about not in self._raised:
            try:
                strategy = self._axes.strategies[cell.strategy]
                credit = partial(self._compilation.credit, cell.name, alike=False)
                self.examined[about] = self._examiner.examine(strategy, between=credit)
                return self.examined[about]
            except Exception as error:
                self._raised[about] = _raised(cell, error, "examination")
            finally:
                self._compilation.credit(cell.name, alike=False)
                forget_graphs()
        return self._raised[about]

    def _about(self, cell: Cell) -> str:
        """Say what an examination depends on: not on the model, nor on most hyperparameters."""
        block, rule = self._block, self._axes.rule
        exact = self._axes.strategies[cell.strategy].approximation is None
        carried_out = rule.amplified() if exact else rule
        where = block.dtype, self._tensors.device, torch.get_num_threads()
        option = block.options["strategy"][cell.strategy]
        return repr((option, type(rule).__module__, carried_out, *where))


def _raised(cell: Cell, error: Exception, phase: str) -> Outcome:
    loss = loss_of(error, phase)
    return Outcome(cell, loss.status, loss.reason)
