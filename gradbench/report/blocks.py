"""Which blocks a report shows, what they are called, and what is said of each cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gradbench.results.question import blocks_in_order
from gradbench.results.status import APPROXIMATE, TIMED, why_contended
from gradbench.statistics.bottleneck import of_ceiling
from gradbench.statistics.choice import update_verdict
from gradbench.statistics.verdicts import MARGIN, known
from gradbench.terminal import figures as text
from gradbench.terminal.approximation import approximation
from gradbench.terminal.resolution import WEAK

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = ["run", "host", "block"]

WIDEST = 10.0
"""Factor at which the drawing of an interval is cut, lest it press all others together."""


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
    described = _in_order(described)
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


def _in_order(cells: pd.DataFrame) -> pd.DataFrame:
    """Put blocks in one constant order, device by device."""
    import pandas as pd

    if cells.empty:
        return cells
    devices = [rows for _, rows in cells.groupby("device_label", sort=True)]
    blocks = [block for rows in devices for block in blocks_in_order(rows)]
    return pd.concat(blocks, ignore_index=True)


def _model_labels(cells: pd.DataFrame) -> pd.Series[str]:
    """Name models by their options, and by whatever else tells blocks of one device apart."""
    labels = cells["model"].astype("string").fillna("unknown")
    options = cells["options"].astype("string").fillna("")
    labels += (" · " + options).where(options.ne(""), "")
    measured = cells[cells["status"] != "skipped"]
    if measured["dtype"].nunique() > 1:
        labels += " · " + cells["dtype"].astype("string").fillna("?")
    if measured.groupby("device_label")["threads"].nunique().max() > 1:
        labels += " · " + cells["threads"].map(text.threads).astype("string")
    if measured["cache"].nunique() > 1:
        labels += " · " + cells["cache"].astype("string").fillna("?")
    blocks = cells.assign(
        baseline=_baselines(cells),
        size=cells.groupby(_BLOCK, dropna=False)["parameters"].transform("max"),
        moment=cells.groupby(_BLOCK, dropna=False)["recorded_at"].transform("max"),
    )
    for column, write in _APART.items():
        keys = [blocks["device_label"], labels, blocks["rule"]]
        known_values = blocks[column].where(blocks["status"] != "skipped")
        several = known_values.groupby(keys, dropna=False).transform("nunique") > 1
        told = blocks[column].map(write, na_action="ignore").astype("string").fillna("?")
        labels = labels.where(~several, labels + " · " + told)
    return labels.astype(object)


def _baselines(cells: pd.DataFrame) -> pd.Series[str]:
    """Name the baseline of each cell's block."""
    named = cells["cell"].where(cells["role"] == "baseline")
    found = named.groupby([cells[name].fillna("") for name in _BLOCK]).transform("first")
    return found.astype("string")


_APART: dict[str, Callable[[Any], str]] = {
    "gradbench_version": "gradbench {}".format,
    "size": lambda value: f"{text.count(value)} parameters",
    "baseline": "over {}".format,
    "run": "run {}".format,
    "moment": "measured {}".format,
}
"""What tells two blocks apart that are called the same, the first that does, and how it is said."""


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
    # Of several runs the rows say which samples their figures have.
    counted = counted.where(cells["runs"] == 1) if "runs" in cells else counted
    return counted.fillna({"samples": said["samples"], "clean": said["clean"]})


def _samples_text(row: dict[Any, Any]) -> str:
    if not known(row["taken"]):
        return text.UNKNOWN
    used = text.count(row["clean"])
    runs = f" of {row['runs']} runs" if row.get("runs", 1) > 1 else ""
    return f"{used} of {text.count(row['taken'])} samples{runs}"


_EPSILON = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
"""Of the floating types of a block: what an ulp of one is in another's."""


def _verified_text(row: dict[Any, Any]) -> str:
    """Say what verification found."""
    if row["status"] == APPROXIMATE:
        return approximation(row)
    if row["status"] != "ok":
        return f"{row['status']}: {row['reason'] or 'no reason given'}"
    found = "verified"
    if known(row["max_ulp_error"]):
        inner = row["inner_dtype"]
        coarser = isinstance(inner, str) and inner != row["dtype"]
        unit = _EPSILON[inner] / _EPSILON[row["dtype"]] if coarser else 1.0
        error, limit = (
            text.number(row[name] / unit) for name in ("max_ulp_error", "tolerance_ulps")
        )
        found = f"{error} of {limit} ulp" + (f" of {inner}" if coarser else "")
    if known(row["power"]) and row["power"] < WEAK:
        found += f", weakly: a mutant is {row['power']:.2g} tolerances away"
    return found


def _bottleneck(row: dict[Any, Any]) -> str:
    """Say what the time goes into, with its evidence; older files do not know."""
    if not isinstance(row["bottleneck"], str):
        return text.UNKNOWN
    used = row["roofline_fraction"]
    name = of_ceiling(row["bottleneck"], used)  # older files knew no overhead
    evidence = []
    if known(row["dispatch_fraction"]):  # not of what would be compiled anew for small tensors
        computes = row["bottleneck"] == "compute"
        computes |= name == "overhead" and known(row["operations"])
        without = "operations" if computes else "bytes"
        evidence.append(f"{text.percent(row['dispatch_fraction'])} left without the {without}")
    if known(used):
        evidence.append(f"{100 * used:.0f} % of the ceiling")
    return f"{name}: {', '.join(evidence)}"


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
