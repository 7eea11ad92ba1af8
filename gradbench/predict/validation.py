"""How well the fits predict: each model in turn is left out and predicted from the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gradbench.predict.evidence import Evidence
from gradbench.predict.fit import fit_cost

if TYPE_CHECKING:
    import pandas as pd


def leave_one_out(evidence: Evidence, strategies: Iterable[str] | None = None) -> pd.DataFrame:
    """Predict each model's update from all other models, whose controls are used alone, too.

    Args:
        evidence: Measurements under the same circumstances.
        strategies: Which ones; None takes all.

    Returns:
        A row for each strategy and model left out: ``strategy``, ``model``, ``size``,
        ``seconds`` (measured), ``predicted_s``, ``error`` (predicted over measured, less one) and
        ``covered``, whether the prediction's 95 % interval holds the measured time.
    """
    import pandas as pd

    updates = evidence.measurements[evidence.measurements["kind"] == "update"]
    chosen = set(updates["strategy"] if strategies is None else strategies)
    rows = []
    for size, measured in updates.groupby("size"):
        rest = evidence.without(str(size))
        if rest.controls.empty:
            continue
        for row in measured.to_dict("records"):
            fit = fit_cost(rest, row["strategy"]) if row["strategy"] in chosen else None
            if fit is None:
                continue
            found = fit.predict(row["tensors"], float(rest.memory.seconds(row["bytes"])))
            rows.append(
                {
                    **{name: row[name] for name in ("strategy", "model", "size", "seconds")},
                    "predicted_s": found.seconds,
                    "error": found.seconds / row["seconds"] - 1,
                    "covered": found.low <= row["seconds"] <= found.high,
                }
            )
    names = ["strategy", "model", "size", "seconds", "predicted_s", "error", "covered"]
    return pd.DataFrame(rows, columns=names)
