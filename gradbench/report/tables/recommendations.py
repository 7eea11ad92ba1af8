"""Which strategy to use, by device, model and rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.tables.table import ReportTable
from gradbench.report.trust import FIGURES
from gradbench.statistics.verdicts import FASTER, known
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    from gradbench.report.content import Content

_NAMED = 3
"""Strategies that are named where several do as well."""

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
    **{name: name for name in FIGURES},
    "contention_text": "contention",
    **{name: name for name in ("contended", "ties_text")},
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
        ties_text=chosen["ties"].map(", ".join),
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
            "intervals here": chosen["calibration_text"].str.replace(": ", "\n", n=1),
            "update": [_change(row, "update_s") for row in rows],
            "training step": chosen["step_lines"].map("\n".join),
            "right?": [_right(row) for row in rows],
        }
    )
    return [
        ReportTable(
            "recommendations",
            "Which strategy to use",
            shown,
            chosen[[*_DATA]].rename(columns=_DATA),
            "The fastest strategy that was verified right, if it is faster than the baseline by "
            "more than the noise floor; otherwise the baseline. Speedups come with their 95 % "
            "interval; intervals here says what a calibration of the same machine found of such "
            "intervals: how many held what re-runs gave, how often identical code was called "
            "different, and the smallest planted difference that was found. Training step: timed "
            "whole, with the speedup over the baseline's step in the same passes, and what the "
            "update saves of it; fewer than six clean steps are no figure.",
            ("speedup", "noise floor", "update", "training step"),
            "device",
            {"device": "device", "model": "model", "rule": "rule"},
            paper=("device", "model", "rule", "use", "speedup", "noise floor", "update"),
        )
    ]


def _use(row: dict[Any, Any]) -> str:
    """Name the strategy, those that do as well, and faster ones that are approximate."""
    ties, lines = row["ties"], [str(row["strategy"])]
    if ties:
        more = f" and {len(ties) - _NAMED} more" if len(ties) > _NAMED else ""
        alike = "no different" if row["role"] == "baseline" else "as fast"
        lines.append(f"{alike}: {', '.join(ties[:_NAMED])}{more}")
    lines += [f"approximate: {one}" for one in row["approximate"]]
    return "\n".join(lines)


def _speedup(row: dict[Any, Any]) -> str:
    if row["baseline"] is None:
        return "unknown\nthe baseline is not right"
    if row["difference"] != FASTER:
        return "1×\nnone is faster"
    contended = " · contended" if row["clock"] == "contended" else ""
    runs = f" · {row['runs']} runs" if row["runs"] > 1 else ""
    return f"{row['speedup_text']}\n{row['speedup_interval']}{contended}{runs}"


def _change(row: dict[Any, Any], figure: str) -> str:
    """Give a time, and below the baseline's."""
    baseline = row[f"baseline_{figure}"]
    if row["role"] == "baseline" or not known(baseline):
        return text.seconds(row[figure])
    return f"{text.seconds(row[figure])}\nfrom {text.seconds(baseline)}"


def _right(row: dict[Any, Any]) -> str:
    wrong = f"\nwrong here: {', '.join(row['wrong'])}" if row["wrong"] else ""
    warning = f"\n{row['beware']}" if row["beware"] else ""
    return f"✓ {row['verified_text']}{warning}{wrong}"
