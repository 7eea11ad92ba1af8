"""Which blocks a report shows, what they are called, and what is said of each cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gradbench.request.versions import without_versions
from gradbench.results.status import APPROXIMATE, TIMED, why_contended
from gradbench.statistics.choice import update_verdict
from gradbench.statistics.verdicts import MARGIN, known
from gradbench.terminal import figures as text
from gradbench.terminal.approximation import approximation
from gradbench.terminal.resolution import WEAK

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_ALIKE = (
    *("device", "device_name", "host", "driver", "clock_hz", "torch_version"),
    *("model", "parameters", "tensors"),
    *("rule", "dtype", "threads", "cache", "seed"),
)
"""What makes two blocks measurements of the same thing."""


_BLOCK = ["run", "host", "block"]

WIDEST = 10.0
"""Factor at which the drawing of an interval is cut, lest it press all others together."""


def latest_blocks(cells: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Keep, of blocks alike in all but the run, those of the run recorded last.

    A run in which anything was measured goes before one in which all was skipped. In one run,
    the same block measured anew with another gradbench goes before the one that was there.

    Args:
        cells: Rows of ``cells``.

    Returns:
        The rows kept, and the number of blocks left out.
    """
    if cells.empty:
        return cells, 0
    cells = cells.drop_duplicates(["run", "host", "block", "cell", "recorded_at"])
    names = ["run", *_ALIKE]
    # A missing value would drop the block from the groups.
    by = cells[names].astype("string").fillna("")
    by["block"] = cells["block"].astype("string").fillna("")
    by["request"] = by["block"].map(without_versions)
    by["measured"] = cells["status"].ne("skipped")
    by["recorded_at"] = cells["recorded_at"].astype("string").fillna("")
    mask = _newest(by, _ALIKE, "run") & _newest(by, [*names, "request"], "block")
    superseded = cells.loc[~mask, ["run", "host", "block"]].drop_duplicates()
    return cells[mask].reset_index(drop=True), len(superseded)


def _newest(rows: pd.DataFrame, alike: Sequence[str], which: str) -> NDArray[np.bool_]:
    """Say of each row whether, of those alike, its ``which`` was recorded last."""
    names = [*alike, which]
    ranks = rows.groupby(names, as_index=False)[["measured", "recorded_at"]].max()
    ranks = ranks.sort_values(["measured", "recorded_at"])
    newest = ranks.drop_duplicates(list(alike), keep="last")[names].assign(kept=True)
    chosen = rows[names].merge(newest, on=names, how="left")
    kept: NDArray[np.bool_] = chosen["kept"].notna().to_numpy()
    return kept


def describe_cells(
    cells: pd.DataFrame, samples: pd.DataFrame, margin: float = MARGIN
) -> pd.DataFrame:
    """Name devices and blocks, count samples, and say what each speedup shows.

    Args:
        cells: Rows of ``cells``.
        samples: Counts of samples by cell and phase; may be empty.
        margin: Smallest relative difference of two times that matters.

    Returns:
        The rows with added columns: ``device_label``, ``model_label`` (unique together with the
        rule), ``default_zeroing`` and ``baseline_strategy`` (whether the cell has the baseline's),
        ``clean`` and ``taken`` (samples of the update), ``update_verdict`` (of the update's time
        beside the baseline's; for others than candidates what they are) and texts for people.
    """
    described = cells.assign(
        device_label=device_labels(cells),
        default_zeroing=_as_baseline(cells, "zeroing"),
        baseline_strategy=_as_baseline(cells, "strategy"),
    )
    described["model_label"] = _model_labels(described)
    described["panel"] = described["model_label"]
    if described.loc[described["status"] != "skipped", "device_label"].nunique() > 1:
        described["panel"] = described["model_label"] + " · " + described["device_label"]
    described = _drawable(described)
    counted = _update_counts(described, samples)
    described = described.assign(clean=counted["clean"], taken=counted["samples"])
    rows = described.to_dict("records")
    for name, describe in _TEXTS.items():
        described[name] = [describe(row) for row in rows]
    described["update_verdict"] = [_update_verdict(row, margin) for row in rows]
    return described


def _drawable(cells: pd.DataFrame) -> pd.DataFrame:
    """Add the ends of intervals as drawn: an unknown one has no length, a vast one is cut."""
    low, high = cells["update_s_low"], cells["update_s_high"]
    usable = (low > 0) & (high < 1e6)
    middle = cells["update_s"]
    return cells.assign(
        drawn_low=low.clip(lower=middle / WIDEST).where(usable, middle),
        drawn_high=high.clip(upper=middle * WIDEST).where(usable, middle),
    )


def device_labels(rows: pd.DataFrame) -> pd.Series[str]:
    """Name the devices: hardware, and whatever else tells two of them apart.

    Args:
        rows: Rows with ``device``, ``device_name``, ``host`` and ``torch_version``.

    Returns:
        A name for each row.
    """
    labels = rows["device_name"].fillna(rows["device"]).astype("string").fillna("unknown")
    hosts = rows["host"].astype("string").fillna("?")
    torch = rows["torch_version"].astype("string").fillna("?")
    measured = rows[rows["status"] != "skipped"] if "status" in rows else rows
    named = labels.loc[measured.index]
    several_torch = torch.loc[measured.index].groupby(named).nunique()
    shown = labels.copy()
    for column, write in (("driver", "driver {}".format), ("clock_hz", _gigahertz)):
        if column in rows and measured[column].nunique() > 1:
            several = measured[column].groupby(named).nunique()
            told = " · " + rows[column].map(write, na_action="ignore").astype("string").fillna("?")
            shown += told.where(labels.map(several).fillna(0) > 1, "")
    several_hosts = hosts.loc[measured.index].groupby(shown.loc[measured.index]).nunique()
    shown += (" · " + hosts).where(shown.map(several_hosts).fillna(0) > 1, "")
    shown += (" · torch " + torch).where(labels.map(several_torch).fillna(0) > 1, "")
    return shown.astype(object)


def _gigahertz(hertz: float) -> str:
    return f"{hertz / 1e9:.2f} GHz"


def _as_baseline(cells: pd.DataFrame, column: str) -> pd.Series[bool]:
    """Say of each cell whether it has its baseline's strategy, or zeroing."""
    baselines = cells[cells["role"] == "baseline"].drop_duplicates(_BLOCK)
    defaults = cells[_BLOCK].merge(baselines[[*_BLOCK, column]], on=_BLOCK, how="left")[column]
    same = (cells[column].reset_index(drop=True) == defaults) | defaults.isna()
    return same.fillna(value=False).set_axis(cells.index).astype(bool)


def _model_labels(cells: pd.DataFrame) -> pd.Series[str]:
    """Name models by what varies: dtype, threads, and at last a part of the block's name."""
    labels = cells["model"].astype("string").fillna("unknown")
    measured = cells[cells["status"] != "skipped"]
    if measured["dtype"].nunique() > 1:
        labels += " · " + cells["dtype"].astype("string").fillna("?")
    if measured.groupby("device_label")["threads"].nunique().max() > 1:
        labels += " · " + cells["threads"].map(text.threads).astype("string")
    if measured["cache"].nunique() > 1:
        labels += " · " + cells["cache"].astype("string").fillna("?")
    keys = cells.assign(label=labels).loc[measured.index]
    blocks = keys[["device_label", "label", "rule", *_BLOCK]].drop_duplicates()
    alike = blocks[blocks.duplicated(["device_label", "label", "rule"], keep=False)]
    told = cells["block"].isin(alike["block"])
    labels = labels.where(~told, labels + " · " + cells["block"].str.rsplit("-", n=1).str[-1])
    return labels.astype(object)


def _update_counts(cells: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Count each cell's update samples: in ``samples``, or else as its rounds say."""
    rounds, disturbed = cells["rounds"], cells["disturbed"].fillna(0)
    clean = (rounds - disturbed).where(~cells["contended"].fillna(value=False).astype(bool), rounds)
    said = cells[[*_BLOCK, "cell"]].assign(samples=rounds, clean=clean)
    if samples.empty:
        return said
    taken = samples[(samples["protocol"] == "isolated") & (samples["phase"] == "update")]
    counted = said[[*_BLOCK, "cell"]].merge(
        taken[[*_BLOCK, "cell", "samples", "clean"]], on=[*_BLOCK, "cell"], how="left"
    )
    counted = counted.set_axis(cells.index)
    contended = cells["contended"].fillna(value=False).astype(bool)
    counted["clean"] = counted["clean"].where(~contended, counted["samples"])
    return counted.fillna({"samples": said["samples"], "clean": said["clean"]})


def _samples_text(row: dict[Any, Any]) -> str:
    if not known(row["taken"]):
        return text.UNKNOWN
    used = text.count(row["clean"])
    return f"{used} of {text.count(row['taken'])} samples"


def _verified_text(row: dict[Any, Any]) -> str:
    """Say what verification found."""
    if row["status"] == APPROXIMATE:
        return approximation(row)
    if row["status"] != "ok":
        return f"{row['status']}: {row['reason'] or 'no reason given'}"
    found = "verified"
    if known(row["max_ulp_error"]):
        error, limit = text.number(row["max_ulp_error"]), text.number(row["tolerance_ulps"])
        found = f"{error} of {limit} ulp"
    if known(row["power"]) and row["power"] < WEAK:
        found += f", weakly: a mutant is {row['power']:.2g} tolerances away"
    return found


def _bottleneck(row: dict[Any, Any]) -> str:
    """Say what the time goes into, with its evidence; older files do not know."""
    if not isinstance(row["bottleneck"], str):
        return text.UNKNOWN
    share = text.percent(row["dispatch_fraction"])
    used = row["roofline_fraction"]
    ceiling = f", {100 * used:.0f} % of the ceiling" if known(used) else ""
    without = "operations" if row["bottleneck"] == "compute" else "bytes"
    return f"{row['bottleneck']}: {share} left without the {without}{ceiling}"


def _update_verdict(row: dict[Any, Any], margin: float) -> str:
    if row["status"] not in TIMED:
        return str(row["status"])
    if row["role"] == "baseline":
        return "baseline"
    return update_verdict(row, margin) if known(row["speedup"]) else ""


def _update_text(row: dict[Any, Any]) -> str:
    half = text.half_width(row["update_s_low"], row["update_s_high"])
    return text.seconds(row["update_s"], half)


def _speedup_text(row: dict[Any, Any]) -> str:
    return text.ratio(row["speedup"], text.half_width(row["speedup_low"], row["speedup_high"]))


_TEXTS: dict[str, Callable[[dict[Any, Any]], str]] = {
    "update_text": _update_text,
    "update_interval": lambda row: text.seconds_interval(row["update_s_low"], row["update_s_high"]),
    "speedup_text": _speedup_text,
    "speedup_interval": lambda row: text.ratio_interval(row["speedup_low"], row["speedup_high"]),
    "noise_text": lambda row: text.percent(row["noise_floor"]),
    "samples_text": _samples_text,
    "verified_text": _verified_text,
    "clock": lambda row: "contended" if why_contended(row) else "clean",
    "contention_text": why_contended,
    "bottleneck_text": _bottleneck,
}


def measured(cells: pd.DataFrame, statuses: Sequence[str] = ("ok",)) -> pd.DataFrame:
    """Select the cells asked for that have one of some statuses.

    Args:
        cells: Described cells.
        statuses: The statuses.

    Returns:
        Baselines and candidates; the controls are not among them.
    """
    asked = cells["role"].isin(["baseline", "candidate"])
    return cells[asked & cells["status"].isin(list(statuses))]
