"""The report as one page that needs nothing but itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from gradbench.report.experiments import sections
from gradbench.report.tables.recommendations import baseline_update
from gradbench.report.twins import hardware_name, said_of
from gradbench.statistics.verdicts import known

if TYPE_CHECKING:
    import pandas as pd

    from gradbench.report.charts.figure import Figure
    from gradbench.report.content import Content
    from gradbench.report.tables.table import ReportTable

_TEMPLATES = Path(__file__).parent / "template"


def write_page(
    content: Content, tables: Sequence[ReportTable], figures: Sequence[Figure], bundle: str
) -> str:
    """Write the page.

    Args:
        content: What the report shows.
        tables: Its tables.
        figures: Its figures.
        bundle: Script with Vega, Vega-Lite and vega-embed.

    Returns:
        HTML that asks the network for nothing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["code"] = _code
    by_name = {table.name: table for table in tables}
    specifications, datasets = pool([figure.specification for figure in figures])
    return environment.get_template("page.html").render(
        by_name=by_name,
        latency=[table for table in tables if table.name.startswith("latency")],
        figures={figure.name: figure for figure in figures},
        filters=_choices(content.cells),
        experiments=sections(content),
        notes=content.notes,
        runs=content.runs.to_dict("records"),
        devices=sorted(set(_measured(content.cells)["device_label"])),
        versions=sorted(set(_measured(content.cells)["torch_version"].dropna())),
        answers=embedded(_answers(content)),
        specifications=embedded(
            {figure.name: spec for figure, spec in zip(figures, specifications, strict=True)}
        ),
        datasets=embedded(datasets),
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup((_TEMPLATES / "page.js").read_text(encoding="utf-8")),
        bundle=Markup(_harmless(bundle) if figures else ""),
    )


def pool(
    specifications: Iterable[dict[str, Any]],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Take the data out of specifications; figures of the same rows share them.

    Args:
        specifications: Vega-Lite with data.

    Returns:
        The specifications without, and the data by name, as columns: a name per value would weigh
        more than the values.
    """
    bare, datasets = [], {}
    for specification in specifications:
        for name, rows in specification.get("datasets", {}).items():
            columns = list(rows[0]) if rows else []
            datasets[name] = {column: _column([row[column] for row in rows]) for column in columns}
        bare.append({key: value for key, value in specification.items() if key != "datasets"})
    return bare, datasets


def _column(values: list[Any]) -> dict[str, Any]:
    """Write repeated values once: a column is its distinct values and, per row, which."""
    distinct = list(dict.fromkeys(values))
    if len(distinct) > len(values) // 2:
        return {"values": values}
    place = {value: number for number, value in enumerate(distinct)}
    return {"values": distinct, "rows": [place[value] for value in values]}


def embedded(value: Any) -> Markup:
    """Write a value as JSON that cannot end the script element around it.

    Args:
        value: What JSON can hold; NaN and infinities become null.

    Returns:
        The JSON, with ``<``, ``>`` and ``&`` as escapes.
    """
    written = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(written)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _code(text: str) -> Markup:
    """Escape text, and set what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _harmless(script: str) -> str:
    """Keep a script's strings from ending, or hiding the end of, the element around it."""
    script = re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE)
    return script.replace("<!--", r"<\!--")


def _measured(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[cells["role"].isin(["baseline", "candidate"]) & (cells["status"] != "skipped")]


def _choices(cells: pd.DataFrame) -> dict[str, list[str]]:
    """List what can be chosen in each filter."""
    columns = {
        "device": "device_label",
        "model": "model_label",
        "rule": "rule",
        "strategy": "strategy",
        "zeroing": "zeroing",
    }
    shown = _measured(cells)
    return {
        name: sorted({str(value) for value in shown[column].dropna() if value != ""})
        for name, column in columns.items()
    }


def _answers(content: Content) -> list[dict[str, Any]]:
    """Write the recommendations as the words that the page's first sentence is made of."""
    twins = {(each.host, each.device): said_of(each) for each in content.twins}
    return [
        {
            "device": row["device_label"],
            "model": row["model_label"],
            "rule": row["rule"],
            "strategy": row["strategy"],
            "baseline": row["baseline"],
            "faster": row["faster"],
            "speedup": row["speedup_text"],
            "interval": row["speedup_interval"],
            "noise": row["noise_text"],
            "verified": row["verified_text"],
            "update": row["update_text"],
            "before": baseline_update(row),
            "step": "; ".join(row["step_lines"]),
            "samples": row["samples_text"],
            "contention": row["contention_text"],
            "twins": twins.get((row["host"], hardware_name(row)), ""),
            "margin": f"{100 * content.margin:g} %",
            "same": list(row["same"]),
            "unclear": list(row["unclear"]),
            "budget": f"{row['budget_s']:g} s" if known(row["budget_s"]) else "",
            "again": row["again"],
            "wrong": list(row["wrong"]),
            "approximate": list(row["approximate"]),
            "beware": row["beware"],
        }
        for row in content.recommendations.to_dict("records")
    ]
