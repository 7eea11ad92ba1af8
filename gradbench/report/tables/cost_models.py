"""The cost model's figures and crossovers, by device, rule and strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.tables.table import ReportTable
from gradbench.statistics.verdicts import known
from gradbench.terminal import figures as text

if TYPE_CHECKING:
    from gradbench.predict.prediction import Ranking
    from gradbench.report.content import Content

_FILTERS = {"device": "device", "rule": "rule"}


def draw(content: Content) -> list[ReportTable]:
    """Draw the fits, and where one strategy gives way to another.

    Args:
        content: What the report shows.

    Returns:
        Two tables; none where there were too few models to fit.
    """
    models = content.cost_models
    pairs = list(zip(models.devices, models.rankings, strict=True))
    return [_fits(pairs), _crossovers(pairs, content.margin)] if pairs else []


def _fits(pairs: list[tuple[str, Ranking]]) -> ReportTable:
    """Draw the figures of every fit."""
    import pandas as pd

    shown = [_figures(device, row) for device, ranking in pairs for row in _rows(ranking)]
    data = pd.concat(
        [ranking.rows.assign(device_label=device) for device, ranking in pairs], ignore_index=True
    )
    data = data.drop(columns=["seconds", "seconds_low", "seconds_high", "verdict", "outside"])
    data = data.drop(columns=["ratio", "ratio_low", "ratio_high"])
    data = data.drop(columns=["tensors", "parameters", "bottleneck"])
    errors = [r.left_out_error for _, r in pairs if r.left_out_error is not None]
    left_out = (
        f" Models left out of the fits in turn were predicted with a median error of "
        f"{text.percent(min(errors))} to {text.percent(max(errors))}, by device and rule."
        if errors
        else ""
    )
    return ReportTable(
        "cost_models",
        "Cost model",
        pd.DataFrame(shown),
        data,
        "seconds = start + tensors · per tensor + passes · the time that the bandwidth control "
        "takes for the bytes that cannot be avoided, fitted over models by non-negative least "
        "squares on relative errors; 95 % intervals below. Worst: the largest departure of a "
        "fitted time, and its model. Left out: the median error for a model that the fit had not "
        "seen; a large one says that this is not how the strategy behaves. Strategies that are "
        f"wrong anywhere are not fitted.{left_out}",
        ("start", "per tensor", "passes", "models", "worst", "left out"),
        None,
        {**_FILTERS, "strategy": "strategy"},
    )


def _rows(ranking: Ranking) -> list[dict[Any, Any]]:
    return ranking.rows.sort_values("strategy").to_dict("records")


def _figures(device: str, row: dict[Any, Any]) -> dict[str, str]:
    threads = f" · {text.threads(row['threads'])}" if known(row["threads"]) else ""
    return {
        "device": f"{device}\n{row['dtype']}{threads}",
        "rule": str(row["rule"]),
        "strategy": str(row["strategy"]),
        "start": _with_interval(row, "start_s", text.seconds),
        "per tensor": _with_interval(row, "tensor_s", text.seconds),
        "passes": _with_interval(
            row, "passes", lambda value, half: text.number(value, text.digits(half))
        ),
        "models": text.count(row["models"]),
        "worst": f"{100 * row['worst_residual']:+.0f} %\n{row['worst_model']}",
        "left out": text.percent(row["left_out_error"]),
    }


def _with_interval(row: dict[Any, Any], name: str, say: Any) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    half = text.half_width(low, high)
    return f"{say(row[name], half)}\n{say(low, half)} – {say(high, half)}"


def _crossovers(pairs: list[tuple[str, Ranking]], margin: float) -> ReportTable:
    """Draw where the fastest strategy changes."""
    import pandas as pd

    from gradbench.report.crossover import say_crossovers

    shown, data = [], []
    for device, ranking in pairs:
        rule = str(ranking.evidence.circumstances["rule"])
        fastest = str(ranking.rows["strategy"].iloc[0])
        sides = (
            (f"{text.count(ranking.tensors)} tensors", "parameters", ranking.by_parameters),
            (f"{text.count(ranking.parameters)} parameters", "tensors", ranking.by_tensors),
        )
        for given, along, changes in sides:
            where = {"device": device, "rule": rule, "with": given}
            words = say_crossovers(changes, along, fastest, ranking.margin)
            shown.append({**where, "fastest": words})
            data += [
                {**where, "along": along, "below": one.below, "at": one.at, "above": one.above}
                for one in changes
            ]
    columns = ["device", "rule", "with", "along", "below", "at", "above"]
    return ReportTable(
        "crossovers",
        "Which strategy is fastest where",
        pd.DataFrame(shown),
        pd.DataFrame(data, columns=columns),
        "By the cost model, within the range that was measured, for as many tensors or parameters "
        "as the middle model has. A strategy gives way to one that is faster by more than "
        f"{100 * margin:g} %. "
        "python -m gradbench predict answers for other sizes.",
        (),
        None,
        _FILTERS,
    )
