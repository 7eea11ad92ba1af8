"""What real training brings, and which strategies refuse it or get it wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradbench.report.blocks import measured
from gradbench.report.tables.table import ReportTable
from gradbench.results.status import TIMED
from gradbench.terminal.situations import situations, wrong_in

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.content import Content

_MET, _REFUSES, _WRONG = "✓", "refuses", "wrong"
_RANK = (_WRONG, _REFUSES, _MET)


def draw(content: Content) -> list[ReportTable]:
    """Draw strategies by situations, each strategy once per device.

    Args:
        content: What the report shows.

    Returns:
        One table; none where every strategy meets everything, or no file says anything of it.
    """
    import pandas as pd

    cells = measured(content.cells, (*TIMED, "wrong"))
    examined = cells[cells["refuses"].notna()]
    kept = ["device_label", "rule", "dtype", "strategy"]
    examined = examined.drop_duplicates([*kept, "refuses", "wrong_with", "reason"])
    met = [bool(_told(row)) or row["status"] in TIMED for row in examined.to_dict("records")]
    examined = examined[met]  # what is wrong on ordinary tensors met no situation
    told = [one for row in examined.to_dict("records") for one in _told(row)]
    if not told:
        return []
    data = pd.DataFrame(told).drop_duplicates()
    columns = list(dict.fromkeys(data["situation"]))
    under = {
        key: list(dict.fromkeys(map(_under(rows), rows.to_dict("records"))))
        for key, rows in examined.groupby(["device_label", "strategy"])
    }
    shown = [
        {"device": device, "strategy": strategy}
        | {column: _cell(data, str(device), str(strategy), column, names) for column in columns}
        for (device, strategy), names in under.items()
    ]
    return [
        ReportTable(
            "situations",
            "What real training brings",
            pd.DataFrame(shown),
            data,
            "Each strategy met tensors and gradients of every kind on tensors of its own. Refuses: "
            "it raises instead of updating. Wrong: it updates wrongly and says nothing; where only "
            "gradients assigned by hand bring that about, the strategy is still ranked. Below, the "
            "rules that this holds for, unless it holds for all. What is no column here, every "
            "strategy met well.",
            (),
            "device",
            {"device": "device", "strategy": "strategy"},
        )
    ]


def _told(row: dict[Any, Any]) -> list[dict[str, str]]:
    """List what a cell's strategy does not meet well."""
    names = {
        "device": str(row["device_label"]),
        "strategy": str(row["strategy"]),
        "rule": str(row["rule"]),
        "dtype": str(row["dtype"]),
    }
    return [
        {**names, "situation": situation, "outcome": outcome, "message": message}
        for outcome, found in (
            (_REFUSES, situations(row["refuses"])),
            (_WRONG, wrong_in(row)),
        )
        for situation, message in found.items()
    ]


def _under(rows: pd.DataFrame) -> Any:
    """Name what a strategy carried out: the rule, and the dtype where there are several."""
    several = rows["dtype"].nunique() > 1
    return lambda row: f"{row['rule']} {row['dtype']}" if several else str(row["rule"])


def _cell(data: pd.DataFrame, device: str, strategy: str, situation: str, names: list[str]) -> str:
    """Give the worst outcome, and for which rules if not for all."""
    own = data[(data["device"] == device) & (data["strategy"] == strategy)]
    own = own[own["situation"] == situation]
    found = dict.fromkeys(names, _MET)
    for row in own.to_dict("records"):
        for name in (row["rule"], f"{row['rule']} {row['dtype']}"):
            if name in found:
                found[name] = min(found[name], row["outcome"], key=_RANK.index)
    outcomes = sorted(set(found.values()), key=_RANK.index)
    if len(outcomes) == 1:
        return outcomes[0]
    kinds = {o: ", ".join(n for n, seen in found.items() if seen == o) for o in outcomes}
    rest = [f"{outcome}: {kinds[outcome]}" for outcome in outcomes[1:] if outcome != _MET]
    return "\n".join([outcomes[0], kinds[outcomes[0]], *rest])
