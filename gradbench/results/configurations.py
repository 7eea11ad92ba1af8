"""With which options each block was measured: its run's configuration says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Options = dict[str, Any]
"""Resolved nodes ``model``, ``rule``, ``strategy``, … of a block."""


@dataclass(frozen=True)
class Configurations:
    """The resolved options of blocks.

    Args:
        options: By run and block.
    """

    options: Mapping[tuple[str, str], Options]

    @staticmethod
    def of(runs: pd.DataFrame | None) -> Configurations:
        """Read what runs were asked for.

        Args:
            runs: Rows of ``runs``; None or no rows where there are none.

        Returns:
            The options of each block that a configuration names.
        """
        rows = [] if runs is None else runs.to_dict("records")
        return Configurations(
            {(str(row["run"]), block): node for row in rows for block, node in _blocks(row)}
        )

    def of_block(self, row: Mapping[Any, Any]) -> Options:
        """Give the options of a cell's block.

        Args:
            row: Of ``cells``.

        Returns:
            Its options; empty where no configuration has them.
        """
        return self.options.get((str(row["run"]), str(row["block"])), {})


def _blocks(run: Mapping[Any, Any]) -> list[tuple[str, Options]]:
    try:
        configuration = json.loads(run["configuration"])
    except (TypeError, ValueError):  # none, or cut short
        return []
    if not isinstance(configuration, dict):
        return []
    return [(name, node) for name, node in configuration.items() if isinstance(node, dict)]
