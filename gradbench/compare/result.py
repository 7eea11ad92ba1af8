"""The outcome of a comparison, as a DataFrame that explains itself in a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Figure:
    """One of the ways to compare a cell's time.

    Args:
        column: Of the ratio.
        low: Column of the lower end of the interval that decides.
        high: Column of its upper end.
        verdict: Column of the verdict.
        meaning: What is compared.
    """

    column: str
    low: str
    high: str
    verdict: str
    meaning: str


FIGURES = {
    "time": Figure("ratio", "drift_low", "drift_high", "verdict", "update time"),
    "bandwidth": Figure(
        "normalised_ratio",
        "normalised_ratio_low",
        "normalised_ratio_high",
        "normalised_verdict",
        "update time × the bandwidth measured in the same rounds",
    ),
    "baseline": Figure(
        "relative_ratio",
        "relative_ratio_low",
        "relative_ratio_high",
        "relative_verdict",
        "update time over that of the run's own baseline, paired by round",
    ),
}

COLUMNS = (
    *("cell", "model", "rule", "options", "dtype", "threads", "cache"),
    *("strategy", "zeroing", "role"),
    *("base_run", "base_host", "base_device", "base_device_name", "base_torch_version"),
    *("other_run", "other_host", "other_device", "other_device_name", "other_torch_version"),
    *("base_runs", "other_runs", "base_s", "base_s_low", "base_s_high"),
    *("other_s", "other_s_low", "other_s_high"),
    *("ratio", "ratio_low", "ratio_high", "drift_low", "drift_high", "verdict"),
    *("normalised_ratio", "normalised_ratio_low", "normalised_ratio_high", "normalised_verdict"),
    *("relative_ratio", "relative_ratio_low", "relative_ratio_high", "relative_verdict"),
    *("noise", "base_launches", "other_launches"),
    *("base_peak_extra_bytes", "other_peak_extra_bytes", "reason"),
)

_SHOWN = {
    "cell": "cell",
    "base_s": "BASE s",
    "other_s": "OTHER s",
    "ratio": "ratio",
    "drift_low": "low",
    "drift_high": "high",
    "normalised_ratio": "per bandwidth",
    "relative_ratio": "per baseline",
    "verdict": "verdict",
    "reason": "not compared",
}


class Comparison(pd.DataFrame):
    """A row for each cell that either side has; ``attrs`` says where the sides come from.

    What is taken out of it is a plain DataFrame.
    """

    def _repr_html_(self) -> str:
        """Show the figures that one looks at first; the others are columns all the same."""
        if not set(COLUMNS) <= set(self.columns):
            return str(pd.DataFrame(self).to_html(notebook=True))
        shown = pd.DataFrame(self)[list(_SHOWN)].rename(columns=_SHOWN)
        body = shown.to_html(index=False, float_format="{:.3g}".format, na_rep="", escape=True)
        remarks = "".join(f"<p>{html.escape(r)}</p>" for r in self.attrs.get("remarks", []))
        return f"{body}{remarks}<p>{html.escape(verdict_counts(self))}</p>"


def verdict_counts(comparison: pd.DataFrame, by: str = "time") -> str:
    """Count the verdicts.

    Args:
        comparison: A comparison.
        by: The figure that decides.

    Returns:
        Such as ``1 slower, 3 faster, 40 same, 2 unclear``.
    """
    counts = comparison[FIGURES[by].verdict].value_counts()
    order = ("slower", "faster", "same", "unclear")
    return ", ".join(f"{counts[name]} {name}" for name in order if name in counts) or "no verdict"
