"""The size of the planted work, by another instrument than the one that is to find it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from gradbench.block.axes import instantiate_axes
from gradbench.block.building import build_model
from gradbench.calibration.block import PLANTED
from gradbench.calibration.planted import Planted
from gradbench.devices.base import Device
from gradbench.errors import BadRequest
from gradbench.models.base import UnavailableModel
from gradbench.request.block import Block
from gradbench.request.task import Progress
from gradbench.timing.arms import Arm, choose_calls
from gradbench.timing.binding import bind_with_gradients
from gradbench.timing.empty_call import time_empty_call
from gradbench.timing.sampling import quiet_interpreter
from gradbench.verify.float64_run import trained_parameters
from gradbench.verify.tensors import Tensors

_ALLOCATIONS = 5
_SAMPLE_S = 200e-6


def measure_planted_work(
    block: Block, seconds: float, progress: Progress
) -> tuple[str, dict[str, float]]:
    """Time the planted work and the baseline, each alone.

    The fastest of many samples of either, in each of five allocations; the median over these.
    Nothing is paired, no cell contains another, and no estimator under trial is used.

    Args:
        block: The block it is planted in.
        seconds: How long to sample.
        progress: Told how far it is.

    Returns:
        The hardware's name, and for each planted strategy the time of what is planted over the
        baseline's.

    Raises:
        BadRequest: The device or the model is not there.
    """
    axes = instantiate_axes(block)
    if block.threads is not None:
        torch.set_num_threads(block.threads)
    reason = axes.device.unavailable()
    if reason is not None:
        raise BadRequest(f"nothing can run: {reason}")
    try:
        module, batch = build_model(block, axes)
    except UnavailableModel as unavailable:
        raise BadRequest(f"nothing can run: {unavailable}") from unavailable
    named = dict(module.named_parameters())
    shapes = [named[name].shape for name in trained_parameters(module, batch)]
    baseline = axes.strategies[block.cells[0].strategy]
    zeroing = axes.zeroings[block.default_zeroing]
    dtype, where = getattr(torch, block.dtype), axes.device.torch_device
    ratios: list[list[float]] = []
    with quiet_interpreter():
        for allocation in range(_ALLOCATIONS):
            progress(allocation / _ALLOCATIONS, "timing the planted work by itself")
            tensors = Tensors.allocate(shapes, dtype, where, axes.rule)
            whole, release = bind_with_gradients(baseline, zeroing, axes.rule, tensors)
            parameters = tensors.parameters()
            extras = [
                planted.bind_extra(axes.rule, parameters, tensors.slots)
                for planted in (axes.strategies[name] for name in PLANTED)
                if isinstance(planted, Planted)
            ]
            calls = [whole, *(extra.step for extra in extras)]
            fastest = _fastest(axes.device, calls, seconds / _ALLOCATIONS)
            ratios.append([extra_s / fastest[0] for extra_s in fastest[1:]])
            for extra in extras:
                extra.release()
            release()
    sizes = np.median(np.array(ratios), axis=0)
    return axes.device.describe(), dict(zip(PLANTED, map(float, sizes), strict=True))


def _fastest(device: Device, calls: list[Callable[[], None]], seconds: float) -> list[float]:
    """Take the shortest seconds per call of each, sampled by turns."""
    counts = [choose_calls(device, Arm("", "update", call), _SAMPLE_S).calls for call in calls]
    fastest, empty = [float("inf")] * len(calls), time_empty_call(device, grouped=True)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not np.isfinite(fastest).all():
        for i, (call, count) in enumerate(zip(calls, counts, strict=True)):
            device.time(call, 1)  # what its predecessor evicted
            timing = empty.taken_off(device.time(call, count), count)
            fastest[i] = min(fastest[i], timing.wall_s / count)
    return fastest
