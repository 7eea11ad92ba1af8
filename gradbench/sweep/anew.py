"""Why something is measured that was measured before: with other versions."""

from __future__ import annotations

from gradbench.request.versions import Versions
from gradbench.results.files import read_file
from gradbench.results.store import Store


def why_anew(
    store: Store, name: str, versions: Versions, table: str, column: str, *, any_host: bool = False
) -> str | None:
    """Say why a block, or experiment, that is not there is measured anew.

    Args:
        store: The run.
        name: Name of its file, without suffix.
        versions: Those of its name.
        table: The table written last.
        column: The table's column that says ``failed`` or ``skipped``.
        any_host: What other hosts have measured counts too.

    Returns:
        Such as ``torch 2.12.0 → 2.13.0``, since the last result; None where it was never measured.
    """
    last: tuple[str, Versions] | None = None
    for other in store.of_other_versions(name, table, any_host=any_host):
        if store.is_finished(other, table, column):
            rows = read_file(store.path(table, other), table).to_pylist()
            recorded = max(str(row["recorded_at"]) for row in rows)
            torch = next((row["torch_version"] for row in rows if row["torch_version"]), "unknown")
            found = Versions(torch, rows[0]["gradbench_version"] or "unknown")
            if last is None or recorded > last[0]:
                last = recorded, found
    return None if last is None else versions.since(last[1])
