"""From what a worker saw to the rows of ``cells``."""

from __future__ import annotations

from typing import Any

import torch

from gradbench.block.compiling import compile_columns
from gradbench.block.identity import identity
from gradbench.block.measured import Measured, Outcome
from gradbench.block.sample_rows import right_cells
from gradbench.machine.contention import Contention
from gradbench.request.block import Block, Cell
from gradbench.rules.base import Rule
from gradbench.statistics.bottleneck import bottleneck
from gradbench.statistics.estimates import COMPUTE
from gradbench.statistics.intervals import Interval
from gradbench.statistics.sample import Phase
from gradbench.statistics.selection import EXCHANGE
from gradbench.statistics.steps import StepEstimates, estimate_steps
from gradbench.timing.bandwidth import traffic_bytes
from gradbench.verify.examination import Examination
from gradbench.verify.truth import too_near
from gradbench.verify.verification import Verdict

Row = dict[str, Any]


def cell_rows(block: Block, rule: Rule, measured: Measured) -> list[Row]:
    """Write a row for each cell of a block.

    Args:
        block: The block.
        rule: Its rule.
        measured: What was seen.

    Returns:
        Rows of ``cells``.
    """
    figures = _Figures(block, rule, measured)
    return [figures.row(outcome) for outcome in measured.outcomes]


class _Figures:
    """A block's figures, looked up by cell. What refers to a baseline that was lost is none."""

    def __init__(self, block: Block, rule: Rule, measured: Measured) -> None:
        self._block, self._measured = block, measured
        self._estimates = measured.isolated.estimates if measured.isolated else None
        self._steps = _step_estimates(block, measured)
        self._elements = sum(shape.numel() for shape in measured.shapes)
        self._traffic = traffic_bytes(rule, measured.shapes, getattr(torch, block.dtype))
        self._operations = sum(rule.operations(shape) for shape in measured.shapes)
        inner = filter(None, map(rule.inner_dtype_of, measured.shapes))
        self._inner = next((str(dtype).removeprefix("torch.") for dtype in inner), None)
        estimates = self._estimates
        self._right = right_cells(measured)
        self._based = block.cells[0].name in self._right
        self._zero_cells: dict[str, str] = {}
        if estimates is not None:
            by_name = {cell.name: cell for cell in block.cells}
            for name, phase in estimates.times:
                if phase == "zero":
                    self._zero_cells[by_name[name].zeroing] = name

    def row(self, outcome: Outcome) -> Row:
        """Write one cell's row."""
        cell, measured = outcome.cell, self._measured
        row: Row = {
            **identity(self._block, cell),
            "device_name": measured.device_name,
            "driver": measured.driver,
            "clock_hz": measured.clock_hz,
            "memory_bytes": measured.memory_bytes,
            "threads": measured.threads or self._block.threads,
            "design": measured.design,
            "status": outcome.status,
            "reason": outcome.reason,
            "torch_version": str(torch.__version__),
            "lost_fraction": measured.lost_fraction,
            **compile_columns(cell, self._block.cells, measured.compiled),
        }
        if measured.shapes:
            row |= {"parameters": self._elements, "tensors": len(measured.shapes)}
            row["untrained"] = measured.untrained
            row["inner_dtype"] = self._inner
        if outcome.verdict is not None:
            row |= _verified(outcome.verdict)
        if outcome.examination is not None:
            row |= _examined(outcome.examination)
        if outcome.timed:
            row |= self._isolated(cell) | self._trained(cell) | self._counted(cell)
        return row

    def _isolated(self, cell: Cell) -> Row:
        estimates, isolated = self._estimates, self._measured.isolated
        if estimates is None or isolated is None:
            return {}
        row: Row = {
            "noise_floor": estimates.noise_floor if self._based else None,
            "rounds": isolated.rounds,
            "replicates": isolated.replicates,
            "contended": estimates.contended,
            "stopped_by": "slower" if cell.name in isolated.slower else isolated.stopped_by,
            **_contention(isolated.contention),
            "moved_fraction": estimates.selection.moved_share,
            "exchange_s": self._exchange_s(),
        }
        zero = self._zero_cells.get(cell.zeroing)
        if zero is not None:
            row |= _interval("zero_s", estimates.times.get((zero, "zero")))
        update = estimates.times.get((cell.name, "update"))
        if update is None:
            return row
        speedup = estimates.speedups.get(cell.name) if self._based else None
        precision = self._block.options["measurement"]["precision"]
        moved = self._moved(cell)
        ceiling = self._ceiling()
        bandwidth = moved / update.estimate
        of_bytes = _share(bandwidth, ceiling)
        computed = self._computed(cell, update.estimate)
        of_operations = _share(
            computed.get("operations_per_s"), computed.get("ceiling_operations_per_s")
        )
        computes = (of_operations or 0.0) > (of_bytes or 0.0)
        used = of_operations if computes else of_bytes
        dispatch_s = self._measured.dispatch_s.get(cell.name)
        left = None if dispatch_s is None else dispatch_s / update.estimate
        key: tuple[str, Phase] = (cell.name, "update")
        return {
            **row,
            **_interval("update_s", update),
            "update_replicates": update.replicates,
            **_interval("speedup", speedup),
            "speedup_replicates": None if speedup is None else speedup.replicates,
            **_interval("over_fastest", self._over_fastest(cell)),
            "update_host_s": estimates.host_s.get(key),
            "update_device_s": estimates.device_s.get(key),
            "disturbed": estimates.disturbed.get(cell.name),
            "converged": cell.role == "bandwidth" or estimates.converged(cell.name, precision),
            "traffic_bytes": moved,
            "bandwidth_bytes_per_s": bandwidth,
            "ceiling_bytes_per_s": ceiling,
            **computed,
            "roofline_fraction": used,
            "dispatch_s": dispatch_s,
            "dispatch_fraction": left,
            "bottleneck": bottleneck(left, computes=computes, roofline_fraction=used),
        }

    def _exchange_s(self) -> float | None:
        estimates = self._estimates
        interval = estimates.times.get((EXCHANGE, "update")) if estimates else None
        return None if interval is None else interval.estimate

    def _over_fastest(self, cell: Cell) -> Interval | None:
        estimates = self._estimates
        if estimates is None or not self._based or estimates.fastest not in self._right:
            return None
        return estimates.over_fastest.get(cell.name)

    def _moved(self, cell: Cell) -> int:
        control = self._measured.control
        return control.traffic_bytes if cell.role == "bandwidth" and control else self._traffic

    def _ceiling(self) -> float | None:
        control, estimates = self._measured.control, self._estimates
        if control is None or estimates is None:
            return None
        interval = estimates.times.get(("bandwidth", "update"))
        return None if interval is None else control.traffic_bytes / interval.estimate

    def _computed(self, cell: Cell, seconds: float) -> Row:
        """Write what a cell computes, if its rule counts that; the bandwidth control does not."""
        control, estimates = self._measured.compute, self._estimates
        if control is None or estimates is None or cell.role == "bandwidth":
            return {}
        interval = estimates.times.get((COMPUTE, "update"))
        return {
            "operations": self._operations,
            "operations_per_s": self._operations / seconds,
            "ceiling_operations_per_s": interval and control.operations / interval.estimate,
        }

    def _trained(self, cell: Cell) -> Row:
        trained, steps = self._measured.training, self._steps
        if trained is None or not cell.strategy:
            return {}
        columns: dict[str, Phase] = {
            "forward_s": "forward",
            "backward_s": "backward",
            "training_update_s": "update",
            "training_zero_s": "zero",
        }
        return {
            **{name: steps.phases.get((cell.name, phase)) for name, phase in columns.items()},
            **_interval("step_s", steps.times.get(cell.name)),
            **_interval("step_speedup", steps.speedups.get(cell.name) if self._based else None),
            "step_noise_floor": steps.noise_floor if self._based else None,
            "step_samples": steps.samples.get(cell.name, 0),
            "step_peak_extra_bytes": trained.step_peaks.get(cell.name),
        }

    def _counted(self, cell: Cell) -> Row:
        counts = self._measured.counts.get(cell.name)
        if counts is None:
            return {}
        return {
            "launches": counts.launches,
            "peak_extra_bytes": counts.peak_extra_bytes,
            "instructions": self._measured.instructions.get(cell.name),
        }


def _step_estimates(block: Block, measured: Measured) -> StepEstimates:
    """Turn the samples of training into figures; how busy the machine was, the updates tell."""
    if measured.training is None:
        return StepEstimates()
    contention = measured.isolated.contention if measured.isolated is not None else None
    return estimate_steps(
        measured.training.samples,
        baseline=block.cells[0].name,
        twin="twin",
        busy=contention is not None and contention.reason is not None,
    )


def _verified(verdict: Verdict) -> Row:
    """Write what verification of a cell found."""
    row: Row = {"verified_elements": verdict.elements}
    if verdict.deviation is None:
        return row
    return {
        **row,
        "max_ulp_error": verdict.deviation.ulps,
        "tolerance_ulps": verdict.deviation.tolerance_ulps,
        "indistinguishable": "; ".join(verdict.indistinguishable),
        "float32_count": verdict.float32_count,
    }


def _examined(examination: Examination) -> Row:
    """Write what is known of a cell's strategy."""
    row = {
        "power": examination.power,
        "nearest_mutant": examination.nearest,
        "refuses": "; ".join(examination.refuses),
        "wrong_with": "; ".join(examination.wrong_with),
    }
    found = examination.approximated
    if found is None:
        return row
    return {
        **row,
        "indistinguishable": "; ".join(too_near(found.distances)),
        "update_error": found.update_error,
        "update_error_bound": found.bound,
        "update_bias": found.bias,
        "update_bias_error": found.bias_error,
    }


def _share(rate: float | None, ceiling: float | None) -> float | None:
    return rate / ceiling if rate is not None and ceiling else None


def _contention(seen: Contention | None) -> Row:
    """Write what the machine was shared with."""
    if seen is None:
        return {}
    clocks = [reading.clock_hz for reading in seen.gpu if reading.clock_hz is not None]
    return {
        "contention": seen.reason,
        "elsewhere_processors": seen.elsewhere,
        "steal_fraction": seen.steal,
        "waiting_fraction": seen.waiting,
        "switches_per_s": seen.switches_per_s,
        "slow_fraction": seen.slow,
        "gpu_clock_low_hz": min(clocks, default=None),
        "gpu_clock_high_hz": max(clocks, default=None),
    }


def _interval(name: str, interval: Interval | None) -> Row:
    if interval is None:
        return {}
    return {
        name: interval.estimate,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }
