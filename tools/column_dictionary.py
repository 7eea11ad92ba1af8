"""The columns of every table, for results/README.md: ``python tools/column_dictionary.py``."""

from __future__ import annotations

from gradbench.results.schema import TABLES


def column_dictionary() -> str:
    """Write the column dictionary in Markdown.

    Returns:
        A section with a table of columns for each table.
    """
    sections = []
    for table, columns in TABLES.items():
        rows = [f"| `{c.name}` | {c.type} | {c.unit} | {c.description} |" for c in columns]
        head = f"## `{table}`\n\n| column | type | unit | meaning |\n|---|---|---|---|"
        sections.append("\n".join([head, *rows]))
    return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    print(column_dictionary(), end="")
