"""Which strategy to use, by device, model and rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.tables.table import ReportTable
from gradbench.statistics.verdicts import known
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    from gradbench.report.content import Content

_NAMED = 3
"""Strategies that are named where several are the same."""

_DATA = {
    "device_label": "device",
    "model_label": "model",
    **{name: name for name in ("rule", "dtype", "threads", "strategy", "zeroing")},
    **{name: name for name in ("speedup", "speedup_low", "speedup_high", "noise_floor")},
    **{name: name for name in ("update_s", "update_s_low", "update_s_high", "step_s")},
    **{name: name for name in ("step_s_low", "step_s_high", "step_samples", "step_noise_floor")},
    **{name: name for name in ("step_speedup", "step_speedup_low", "step_speedup_high")},
    **{name: name for name in ("baseline", "baseline_update_s", "baseline_step_s")},
    **{name: name for name in ("update_saving_s", "update_saving_share")},
    **{name: name for name in ("max_ulp_error", "tolerance_ulps", "verified_elements", "clean")},
    "contention_text": "contention",
    **{name: name for name in ("contended", "faster")},
    "same_text": "same",
    "unclear_text": "unclear",
    "again": "command",
    "approximate_text": "approximate",
    "beware": "beware",
    **{name: name for name in ("runs", "run_names", "run", "block", "torch_version", "host")},
}


def draw(content: Content) -> list[ReportTable]:
    """Draw the recommendations.

    Args:
        content: What the report shows.

    Returns:
        One table; none where nothing was measured.
    """
    import pandas as pd

    chosen = content.recommendations
    if chosen.empty:
        return []
    chosen = chosen.assign(
        same_text=chosen["same"].map(", ".join),
        unclear_text=chosen["unclear"].map(", ".join),
        approximate_text=chosen["approximate"].map("; ".join),
    )
    rows = chosen.to_dict("records")
    shown = pd.DataFrame(
        {
            "device": chosen["device_label"],
            "model": chosen["model_label"],
            "rule": chosen["rule"],
            "use": [_use(row) for row in rows],
            "speedup": [_speedup(row) for row in rows],
            "noise floor": chosen["noise_text"],
            "update": [_update(row) for row in rows],
            "training step": chosen["step_lines"].map("\n".join),
            "right?": [_right(row) for row in rows],
        }
    )
    margin = f"{100 * content.margin:g} %"
    return [
        ReportTable(
            "recommendations",
            "Which strategy to use",
            shown,
            chosen[[*_DATA]].rename(columns=_DATA),
            "The fastest strategy that was verified right, if it is faster than the baseline by "
            f"more than {margin} and the noise floor; otherwise the baseline. Speedups come with "
            "their 95 % interval. Same: their time is certainly within "
            f"{margin} of its time. Unclear: the block's budget could not tell them from it; the "
            "table's data and the page name them, with the command that would. Training step: "
            "timed whole, with the speedup over the baseline's step in the same passes, and what "
            "the update saves of it; fewer than six clean steps are no figure.",
            ("speedup", "noise floor", "update", "training step"),
            "device",
            {"device": "device", "model": "model", "rule": "rule"},
            paper=("device", "model", "rule", "use", "speedup", "noise floor", "update"),
        )
    ]


def _use(row: dict[Any, Any]) -> str:
    """Name the strategy, those that are the same, and faster ones that are approximate."""
    same, lines = row["same"], [str(row["strategy"])]
    if same:
        more = f" and {len(same) - _NAMED} more" if len(same) > _NAMED else ""
        lines.append(f"same: {', '.join(same[:_NAMED])}{more}")
    if row["unclear"]:
        lines.append(f"{len(row['unclear'])} unclear")
    lines += [f"approximate: {one}" for one in row["approximate"]]
    return "\n".join(lines)


def _speedup(row: dict[Any, Any]) -> str:
    if row["baseline"] is None:
        return "unknown\nthe baseline is not right"
    contended = " · contended" if row["clock"] == "contended" else ""
    runs = f" · {row['runs']} runs" if row["runs"] > 1 else ""
    if not row["faster"]:
        return f"1×\nnone is faster{contended}{runs}"
    return f"{row['speedup_text']}\n{row['speedup_interval']}{contended}{runs}"


def _update(row: dict[Any, Any]) -> str:
    """Give the time of an update, and below the baseline's."""
    if row["role"] == "baseline" or not known(row["baseline_update_s"]):
        return str(row["update_text"])
    return f"{row['update_text']}\nfrom {baseline_update(row)}"


def baseline_update(row: dict[Any, Any]) -> str:
    """Format the update time of the baseline of a recommendation.

    Args:
        row: Of the recommendations.

    Returns:
        The time; a dash where it is unknown.
    """
    half = text.half_width(row["baseline_update_s_low"], row["baseline_update_s_high"])
    return text.seconds(row["baseline_update_s"], half)


def _right(row: dict[Any, Any]) -> str:
    wrong = f"\nwrong here: {', '.join(row['wrong'])}" if row["wrong"] else ""
    warning = f"\n{row['beware']}" if row["beware"] else ""
    return f"✓ {row['verified_text']}{warning}{wrong}"
