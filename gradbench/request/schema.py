"""The typed schema of the configuration, and where ``conf/`` and ``experiments/`` are."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from gradbench.errors import BadRequest


class DType(Enum):
    """Floating types of parameters, gradients and optimizer state, by PyTorch's names."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"
    float64 = "float64"


class Cache(Enum):
    """What the caches hold when an isolated call begins."""

    hot = "hot"
    cold = "cold"


@dataclass
class Measurement:
    """How a block is measured.

    Args:
        budget_s: Seconds of sampling a block may use, isolated and training together.
        training_share: Fraction of ``budget_s`` for the training protocol, in [0, 1).
        precision: Half-width of every speedup's 95 % interval, relative, at which sampling stops.
        margin: Smallest relative difference that matters: a cell that is certainly slower than
            the fastest by more than this gets no more samples.
        noise: Noise floor above which sampling goes on when the budget is spent, for up to three
            times ``min_replicates``.
        sample_s: Shortest duration of one sample, in seconds; None is the device's: 0.1 ms on a
            CPU, where the sample is the median of its calls, 0.5 ms on a GPU. Samples of updates
            have the same number of calls, as long as usual ones last less than 20 times as long.
        replicates: Replicates the isolated budget is divided into.
        min_replicates: Replicates taken even when the budget is spent, of the cells that are not
            certainly slower; an interval needs two.
        min_rounds: Rounds taken in each replicate even when the budget is spent.
        product_rounds: Rounds per replicate of the full product that the budget must hold;
            otherwise the block is measured as a star.
        verify_updates: Updates each cell takes before it is timed; two or more, since one
            update does not show a wrong decay rate.
        verify_elements: Most elements of a tensor that verification takes, whole slices of its
            first dimension, where the model has over 16 times as many; None takes them all.
        training_steps: Steps of the first training pass, timed phase by phase after one untimed
            step; later passes time whole steps, as far as the budget goes. Where it is 0 nothing
            trains.
        whole_steps_s: Seconds that training may take so that the baseline, its twin and the fastest
            cell have enough whole steps for a figure, where its budget does not hold them and is
            not 0; where they would take longer, the budget holds.
        cache: ``hot``: calls follow one another, and find in the caches what the last one left;
            ``cold``: the caches are emptied before each call, outside of the clock.
        callgrind: Whether to count instructions, too, by valgrind: minutes for each strategy.
        time_limit_s: Seconds after which the worker of a block or an experiment is ended.
    """

    budget_s: float = 20.0
    training_share: float = 0.3
    precision: float = 0.01
    margin: float = 0.05  # MARGIN of gradbench.statistics.verdicts, which takes long to import
    noise: float = 0.1
    sample_s: float | None = None
    replicates: int = 8
    min_replicates: int = 6
    min_rounds: int = 1
    product_rounds: int = 10
    verify_updates: int = 3
    verify_elements: int | None = None
    training_steps: int = 3
    whole_steps_s: float = 60.0
    cache: Cache = Cache.hot
    callgrind: bool = False
    time_limit_s: float = 900.0


_BOUNDS: dict[str, tuple[float, float]] = {
    "budget_s": (0.0, math.inf),
    "training_share": (0.0, 0.95),
    "precision": (1e-6, 1.0),
    "margin": (0.0, 10.0),
    "noise": (0.0, math.inf),
    "sample_s": (1e-6, 60.0),
    "replicates": (2, 10_000),
    "min_replicates": (2, 10_000),
    "min_rounds": (1, 10_000),
    "product_rounds": (1, 1_000_000),
    "verify_updates": (2, 100),
    "verify_elements": (1024, math.inf),
    "training_steps": (0, 10_000),
    "whole_steps_s": (0.0, math.inf),
    "time_limit_s": (1.0, math.inf),
}


_CALLGRIND = ("valgrind", "callgrind_control", "callgrind_annotate")
"""Commands that torch.utils.benchmark calls to count instructions."""


def check_measurement(measurement: dict[str, Any]) -> None:
    """Check that each figure of a measurement lies within its bounds.

    Args:
        measurement: Resolved ``measurement`` node.

    Raises:
        BadRequest: A figure lies outside its bounds, or valgrind is asked for and not there.
    """
    for name, (low, high) in _BOUNDS.items():
        value = measurement[name]
        if value is not None and not low <= value <= high:
            up = "up" if high == math.inf else f"to {high}"
            raise BadRequest(f"measurement.{name}={value}: choose a number from {low} {up}")
    missing = [command for command in _CALLGRIND if shutil.which(command) is None]
    if measurement["callgrind"] and missing:
        raise BadRequest(
            f"measurement.callgrind=true needs {', '.join(missing)} on the PATH: install valgrind, "
            "such as by apt install valgrind, or choose measurement.callgrind=false"
        )


@dataclass
class Config:
    """A job's configuration: one block, or experiments, or both.

    Args:
        run: Name of the run, a folder below ``output``.
        output: Folder of all runs.
        dtype: Floating type of parameters, gradients and state.
        seed: Seed of weights, batches, gradients and of the order within rounds.
        threads: Threads of CPU operators; None is PyTorch's own choice.
        model: Options of the model, with its ``_target_`` and ``name``.
        rule: Options of the rule.
        strategy: Strategies by name, each with its ``_target_``.
        zeroing: Zeroings by name; the first is the default zeroing.
        device: Options of the device.
        baseline: The one strategy that speedups refer to.
        measurement: How the block is measured.
        experiment: Experiments by name, each with its ``_target_``.
        measure: Whether the block is measured; None measures it unless there are experiments.
    """

    run: str = MISSING
    output: str = "results"
    dtype: DType = DType.float32
    seed: int = 0
    threads: int | None = None
    model: dict[str, Any] = field(default_factory=dict)
    rule: dict[str, Any] = field(default_factory=dict)
    strategy: dict[str, dict[str, Any]] = field(default_factory=dict)
    zeroing: dict[str, dict[str, Any]] = field(default_factory=dict)
    device: dict[str, Any] = field(default_factory=dict)
    baseline: dict[str, dict[str, Any]] = field(default_factory=dict)
    measurement: Measurement = field(default_factory=Measurement)
    experiment: dict[str, dict[str, Any]] = field(default_factory=dict)
    measure: bool | None = None


def configuration_folder() -> Path:
    """Find ``conf/``: inside the package in a wheel, beside it in a checkout.

    Returns:
        Absolute path of the folder.

    Raises:
        FileNotFoundError: Neither place has it.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf/config.yaml in {package} or beside it: reinstall gradbench")


def experiments_folder() -> Path:
    """Find ``experiments/``: it lies beside ``conf/``, in a wheel and in a checkout.

    Returns:
        Absolute path of the folder.

    Raises:
        FileNotFoundError: There is no ``conf/``.
    """
    return configuration_folder().parent / "experiments"


def groups() -> dict[str, list[str]]:
    """List the groups of the configuration and their options.

    Returns:
        Option names, sorted, by group name.
    """
    return {
        folder.name: sorted(option.stem for option in folder.glob("*.yaml"))
        for folder in sorted(configuration_folder().iterdir())
        if folder.is_dir() and folder.name != "hydra"
    }
