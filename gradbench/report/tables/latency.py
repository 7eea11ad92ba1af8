"""Every measured cell of a block, fastest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.blocks import measured
from gradbench.report.tables.table import ReportTable, slug
from gradbench.results.status import APPROXIMATE, TIMED
from gradbench.statistics.verdicts import known
from gradbench.terminal import figures as text
from gradbench.terminal.choices import unclear_text
from gradbench.terminal.steps import step_gain, step_text

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.content import Content

ADDED = (
    *(
        "device_label",
        "model_label",
        "panel",
        "default_zeroing",
        "baseline_strategy",
        "clean",
        "taken",
        "clock",
    ),
    *("drawn_low", "drawn_high"),
    *("update_text", "update_interval", "speedup_text", "speedup_interval"),
    *("noise_text", "samples_text", "verified_text"),
    *("contention_text", "bottleneck_text", "update_verdict", "lr"),
)
"""Columns that the report adds to those of ``cells``."""

_BLOCK = ("run", "host", "block")

_OVERHEAD = (
    " · overhead: neither calls nor a ceiling take the time, but temporaries, further passes over "
    "memory, new pages, small kernels or neighbours"
)


def draw(content: Content) -> list[ReportTable]:
    """Draw a table for each block.

    Args:
        content: What the report shows.

    Returns:
        Tables in order of device, model and rule.
    """
    cells = measured(content.cells, (*TIMED, "wrong", "failed"))
    by = ["device_label", "model_label", "rule", "run", "host", "block"]
    groups = cells.groupby(by, sort=True, dropna=False)
    several = cells["device_label"].nunique() > 1
    chosen = content.recommendations
    keys = [] if chosen.empty else list(chosen[[*_BLOCK]].itertuples(index=False, name=None))
    best = dict(zip(keys, _bests(chosen), strict=True))
    return [
        _block(
            block,
            best.get(tuple(block[[*_BLOCK]].iloc[0]), "nothing right"),
            several,
            content.margin,
        )
        for _, block in groups
    ]


def _bests(chosen: pd.DataFrame) -> list[str]:
    """Name the recommendation of each block in a few words."""
    return [_best(row) for row in chosen.to_dict("records")]


def _best(row: dict[Any, Any]) -> str:
    use = f"keep {row['strategy']}"
    if row["faster"]:
        use = f"use {row['strategy']}, {row['speedup_text']}"
    warning = f" ({row['beware']})" if row["beware"] else ""
    beside = [f"same: {', '.join(row['same'])}"] if row["same"] else []
    if row["unclear"]:
        beside.append(unclear_text(row["unclear"], row["budget_s"], row["again"]))
    approximate = [f"approximate: {one}" for one in row["approximate"]]
    return "; ".join([f"{use}{warning}", *beside, *approximate])


def _block(block: pd.DataFrame, best: str, several: bool, margin: float) -> ReportTable:
    import pandas as pd

    first = block.iloc[0]
    timed = block["update_s"].map(known).astype(bool)
    place = block["status"].map({"ok": 0, APPROXIMATE: 1}).where(timed).fillna(2)
    ordered = block.assign(place=place).sort_values(["place", "update_s"], na_position="last")
    rows = ordered.to_dict("records")
    shown = pd.DataFrame(
        {
            "strategy": [_strategy(row) for row in rows],
            "zeroing": ordered["zeroing"],
            "update": [_update(row) for row in rows],
            "host": ordered["update_host_s"].map(text.seconds),
            "device": ordered["update_device_s"].map(text.seconds),
            "speedup": [_speedup(row) for row in rows],
            "verdict": ordered["update_verdict"],
            "step": [_step(row, margin) for row in rows],
            "bound by": [_bound(row) for row in rows],
            "launches": ordered["launches"].map(text.count),
            "extra memory": ordered["peak_extra_bytes"].map(text.size),
            "compiling": [_compiling(row) for row in rows],
            "samples": [_samples(row) for row in rows],
            "right?": ["✓ " * (r["status"] == "ok") + r["verified_text"] for r in rows],
        }
    )
    if not ordered["update_device_s"].notna().any():  # the CPU, which is host and device
        shown = shown.drop(columns=["host", "device"])
    if not ordered["bottleneck"].notna().any():  # a file from before it was measured
        shown = shown.drop(columns="bound by")
    if not ordered["compile_s"].notna().any():
        shown = shown.drop(columns="compiling")
    names = [str(first[name]) for name in ("device_label", "model_label", "rule")]
    noise = f"noise floor {first['noise_text']}" if known(first["noise_floor"]) else "noise unknown"
    why = first["contention_text"]
    contended = f" · contended: {why}: measure again" if why else ""
    legend = _OVERHEAD if any(r["bottleneck_text"].startswith("overhead") for r in rows) else ""
    size = f"{text.count(first['parameters'])} parameters in {text.count(first['tensors'])} tensors"
    return ReportTable(
        slug("latency", *names),
        " · ".join(names if several else names[1:]),
        shown,
        ordered.drop(columns=[*ADDED, "place"]),
        f"{best} · {noise} · {size}{contended}{legend}",
        (
            *("update", "host", "device", "speedup", "step", "launches", "extra memory"),
            *("compiling", "samples"),
        ),
        None,
        {"strategy": "strategy", "zeroing": "zeroing"},
        {
            "device": str(first["device_label"]),
            "model": str(first["model_label"]),
            "rule": str(first["rule"]),
            "default_zeroing": str(_default_zeroing(block)),
        },
        ("strategy", "zeroing", "update", "speedup", "verdict"),
    )


def _default_zeroing(block: pd.DataFrame) -> object:
    default = block[block["default_zeroing"]]
    return default["zeroing"].iloc[0] if len(default) else ""


def _strategy(row: dict[Any, Any]) -> str:
    mark = f"\n{APPROXIMATE}" if row["status"] == APPROXIMATE else ""
    return f"{row['strategy']}{mark}"


def _update(row: dict[Any, Any]) -> str:
    """Give the time of an update; a wrong cell has none, one without an update says so."""
    if row["status"] not in TIMED:
        return f"{row['status']}\nnot ranked"
    if not known(row["update_s"]):
        return "–\nwithin backward"
    return f"{row['update_text']}\n{row['update_interval']}"


def _compiling(row: dict[Any, Any]) -> str:
    """Give the seconds of compiling; cells that share another one's graphs took none."""
    return "0 s" if row["compile_s"] == 0 else text.seconds(row["compile_s"])


def _speedup(row: dict[Any, Any]) -> str:
    """Give a speedup with its interval."""
    if row["role"] == "baseline":
        return "1×\nbaseline"
    if row["status"] not in TIMED or not known(row["speedup"]):
        return "–"
    return f"{row['speedup_text']}\n{row['speedup_interval']}"


def _step(row: dict[Any, Any], margin: float) -> str:
    """Give the time of a whole training step, and below it what it gains over the baseline's."""
    if row["status"] not in TIMED:
        return ""
    gain = "" if row["role"] == "baseline" else step_gain(row, margin)
    return f"{step_text(row)}\n{gain}" if gain else step_text(row)


def _bound(row: dict[Any, Any]) -> str:
    """Name what the time goes into, and below it the evidence."""
    if row["status"] not in TIMED:
        return ""
    name, _, evidence = row["bottleneck_text"].partition(": ")
    return f"{name}\n{evidence}" if evidence else name


def _samples(row: dict[Any, Any]) -> str:
    if not known(row["taken"]):
        return "–"
    runs = f"\n{row['runs']} runs" if row["runs"] > 1 else ""
    return f"{text.count(row['clean'])} of {text.count(row['taken'])}{runs}"
