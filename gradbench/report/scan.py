"""What the large tables say of each cell, taken by DuckDB without holding their rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_SAMPLES = """
SELECT run, block, cell, protocol, phase,
       count(*) AS samples,
       count(*) FILTER (NOT disturbed) AS clean,
       quantile_cont(seconds, 0.25) FILTER (protocol = 'training') AS quarter_s,
       quantile_cont(seconds, 0.75) FILTER (protocol = 'training') AS three_quarters_s
FROM read_parquet($files) GROUP BY ALL ORDER BY ALL
"""

_GRADIENTS = """
SELECT run, block, cell, step,
       count(*) AS tensors,
       count(*) FILTER (NOT present) AS missing,
       sqrt(sum(norm * norm)) AS norm,
       quantile_cont(norm, 0.25) AS norm_quarter,
       quantile_cont(norm, 0.75) AS norm_three_quarters,
       sum(zero_fraction * elements) / sum(elements) FILTER (present) AS zero_fraction,
       max(zero_fraction) AS zero_fraction_most,
       min(zero_fraction) AS zero_fraction_least,
       sum(nan_count)::BIGINT AS nan_count,
       sum(inf_count)::BIGINT AS inf_count,
       max(relative_error) AS relative_error,
       min(cosine) AS cosine
FROM read_parquet($files) GROUP BY ALL ORDER BY ALL
"""

_MEMORY = "1GB"


def sample_counts(files: Sequence[Path]) -> pd.DataFrame:
    """Count the samples of each cell and phase; give the middle half of the training phases.

    Args:
        files: Files of table ``samples``.

    Returns:
        A row for each run, block, cell, protocol and phase.
    """
    return _scan(_SAMPLES, files)


def gradient_steps(files: Sequence[Path]) -> pd.DataFrame:
    """Sum up the gradients of each cell at each step over its tensors.

    The norm of all tensors together is ‖g‖ = √Σ‖gᵢ‖²; the share of zeros is weighted by elements.

    Args:
        files: Files of table ``gradients``.

    Returns:
        A row for each run, block, cell and step.
    """
    return _scan(_GRADIENTS, files)


def _scan(query: str, files: Sequence[Path]) -> pd.DataFrame:
    import duckdb
    import pandas as pd

    if not files:
        columns = [part.split(" AS ")[-1] for part in _selected(query)]
        return pd.DataFrame(columns=columns)
    with duckdb.connect(config={"memory_limit": _MEMORY}) as connection:
        return connection.execute(query, {"files": [str(file) for file in files]}).df()


def _selected(query: str) -> list[str]:
    """List the expressions that a query selects, split at commas outside of parentheses."""
    text = query.split("FROM")[0].replace("SELECT", "", 1)
    parts, depth, last = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[last:place])
            last = place + 1
    return [part.strip() for part in [*parts, text[last:]]]
