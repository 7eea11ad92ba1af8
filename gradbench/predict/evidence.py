"""What stored cells say of an update's cost, sorted by the circumstances it holds in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradbench.predict.memory import Memory
from gradbench.results.status import APPROXIMATE, why_contended
from gradbench.terminal.figures import percent

if TYPE_CHECKING:
    import pandas as pd

CIRCUMSTANCES = (
    *("device", "device_name", "driver", "clock_hz", "host", "torch_version"),
    *("dtype", "threads", "cache", "rule", "zeroing"),
)
"""Columns in which all measurements of one fit agree; the zeroing is the blocks' default one."""


@dataclass(frozen=True)
class Evidence:
    """Measurements of one rule's updates under the same circumstances.

    Args:
        circumstances: Value of each column of ``CIRCUMSTANCES``.
        memory: The machine's memory, from the bandwidth controls of these and other rules.
        measurements: A row for each strategy, model and kind, the median over runs: ``strategy``,
            ``model`` (its name), ``size`` (tensors and parameters, what tells models apart),
            ``tensors``, ``bytes``, ``seconds`` and ``kind``: update, or dispatch, for the same
            update on two elements per tensor.
        bytes_per_parameter: Memory traffic of one element that cannot be avoided.
        unfit: Why a strategy is not ranked, by its name.
        controls: Bytes and seconds of the bandwidth controls, and the ``size`` of their models.
        contended: Number of blocks that were measured on a busy machine.
        memory_bytes: What the device has; None where the rows do not say.
        recorded_at: When the last of them was measured, ISO 8601.
    """

    circumstances: dict[str, Any]
    memory: Memory
    measurements: pd.DataFrame
    bytes_per_parameter: float
    unfit: dict[str, str]
    controls: pd.DataFrame
    contended: int
    memory_bytes: int | None = None
    recorded_at: str = ""

    @property
    def models(self) -> int:
        """Number of models that the ranked strategy has that was measured on most."""
        ranked = self.measurements[~self.measurements["strategy"].isin(list(self.unfit))]
        counts = ranked.groupby("strategy")["size"].nunique()
        return int(counts.max()) if len(counts) else 0

    def needed_bytes(self, parameters: int) -> int:
        """Say what parameters, gradients and state take together.

        An update reads each of them and writes all but the gradients: of a bytes that one element
        moves, and b bytes of the dtype, there are (a/b + 1) / 2 of them.

        Args:
            parameters: Elements that an update writes.

        Returns:
            Bytes, without activations and what a strategy allocates.
        """
        size = int("".join(filter(str.isdigit, str(self.circumstances["dtype"])))) / 8
        return round(parameters * (self.bytes_per_parameter + size) / 2)

    def without(self, size: str) -> Evidence:
        """Leave a model out, its bandwidth controls too.

        Args:
            size: Which one.

        Returns:
            The evidence of all others.
        """
        controls = self.controls[self.controls["size"] != size]
        return Evidence(
            self.circumstances,
            Memory.of(list(controls["bytes"]), list(controls["seconds"])),
            self.measurements[self.measurements["size"] != size],
            self.bytes_per_parameter,
            self.unfit,
            controls,
            self.contended,
            self.memory_bytes,
            self.recorded_at,
        )


def gather_evidence(cells: pd.DataFrame) -> list[Evidence]:
    """Sort cells by circumstances.

    Only right cells count. A strategy that is wrong or approximate in any of the blocks is not
    ranked at all: what fails on one model is no advice for another. A rule that computes much is
    left out: its cost is neither calls nor bytes.

    Args:
        cells: Rows of ``cells``, controls among them.

    Returns:
        One for each set of circumstances in which anything was timed.
    """
    blocks = ["run", "host", "block"]
    baselines = cells[cells["role"] == "baseline"].drop_duplicates(blocks)
    defaults = baselines[[*blocks, "zeroing"]].rename(columns={"zeroing": "default_zeroing"})
    cells = cells[~cells["rule"].isin(computing_rules(cells)) | (cells["role"] == "bandwidth")]
    cells = cells.merge(defaults, "inner", on=blocks)
    cells = cells.drop_duplicates([*blocks, "cell", "recorded_at"])
    size = cells["tensors"].astype("Int64").astype("string") + " · "
    cells = cells.assign(size=size + cells["parameters"].astype("Int64").astype("string"))
    controls = cells[(cells["role"] == "bandwidth") & (cells["update_s"] > 0)]
    asked = cells[
        cells["role"].isin(["baseline", "candidate"])
        & (cells["zeroing"] == cells["default_zeroing"])
    ]
    found = []
    for values, rows in asked.groupby(list(CIRCUMSTANCES), dropna=False, sort=True):
        circumstances = dict(zip(CIRCUMSTANCES, values, strict=True))
        timed = rows[(rows["status"] == "ok") & (rows["update_s"] > 0)]
        near = _controls(controls, circumstances)
        if timed.empty or near.empty:
            continue
        ratios = timed["traffic_bytes"] / timed["parameters"]
        contended = timed[[bool(why_contended(row)) for row in timed.to_dict("records")]]
        found.append(
            Evidence(
                circumstances,
                Memory.of(list(near["bytes"]), list(near["seconds"])),
                _measurements(timed, float(ratios.median())),
                float(ratios.median()),
                _unfit(rows),
                near,
                len(contended.drop_duplicates(blocks)),
                _memory_bytes(timed),
                str(timed["recorded_at"].max()),
            )
        )
    return found


def computing_rules(cells: pd.DataFrame) -> set[str]:
    """Name the rules whose updates cost floating-point operations.

    Args:
        cells: Rows of ``cells``; older ones have no such column.

    Returns:
        Their names.
    """
    if "operations" not in cells:
        return set()
    return set(cells.loc[cells["operations"] > 0, "rule"])


def _controls(controls: pd.DataFrame, circumstances: dict[str, Any]) -> pd.DataFrame:
    """Select the machine's controls: memory does not ask which rule moves it."""
    same = controls
    for name in CIRCUMSTANCES[:-2]:
        value = circumstances[name]
        same = same[same[name].isna() if value is None or value != value else same[name] == value]
    same = same[["traffic_bytes", "update_s", "size"]]
    return same.rename(columns={"traffic_bytes": "bytes", "update_s": "seconds"})


def _memory_bytes(timed: pd.DataFrame) -> int | None:
    told = timed["memory_bytes"].dropna() if "memory_bytes" in timed else timed["update_s"].iloc[:0]
    return int(told.min()) if len(told) else None


def _measurements(timed: pd.DataFrame, bytes_per_parameter: float) -> pd.DataFrame:
    import pandas as pd

    names = ["strategy", "model", "size", "tensors"]
    updates = timed[[*names, "traffic_bytes", "update_s"]].assign(kind="update")
    updates = updates.rename(columns={"traffic_bytes": "bytes", "update_s": "seconds"})
    frames = [updates]
    if "dispatch_s" in timed:
        calls = timed[timed["dispatch_s"] > 0]
        moved = 2 * calls["tensors"] * bytes_per_parameter
        calls = calls[[*names, "dispatch_s"]].assign(kind="dispatch", bytes=moved)
        frames.append(calls.rename(columns={"dispatch_s": "seconds"}))
    together = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    by = ["strategy", "size", "tensors", "bytes", "kind"]
    return together.groupby(by, as_index=False).agg(
        model=("model", "first"), seconds=("seconds", "median")
    )


def _unfit(rows: pd.DataFrame) -> dict[str, str]:
    unfit = {}
    for strategy, own in rows.groupby("strategy"):
        wrong = own[own["status"] == "wrong"]
        if len(wrong):
            models = ", ".join(sorted(set(wrong["model"])))
            unfit[str(strategy)] = f"wrong for {models}: {wrong['reason'].iloc[0]}"
        elif (own["status"] == APPROXIMATE).any():
            off = percent(own["update_error"].max())
            unfit[str(strategy)] = f"approximate: its updates are off by {off}"
        elif not ((own["status"] == "ok") & (own["update_s"] > 0)).any():
            reasons = own["reason"].dropna()
            unfit[str(strategy)] = (
                str(reasons.iloc[0]) if len(reasons) else "its update is a part of backward"
            )
    return unfit
