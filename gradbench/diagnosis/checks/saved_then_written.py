"""An in-place operation on a tensor that backward needs."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.overwritten import Overwritten, overwritten
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB508",
    title="An in-place operation on a result that was saved",
    severity=Severity.error,
    symptom="error",
    why=(
        "To compute a derivative an operator saves its input or its result. An in-place operation "
        "(`x += …`, `x[i] = …`, `relu_`, `inplace=True`) overwrites what was saved; autograd "
        "notices by the tensor's version, and refuses."
    ),
    fix="x = x + y  # out of place, not x += y\n# or: x = x.clone() before the write",
    atlas=("saved_output_written",),
    source="docs: notes/autograd, In-place correctness checks",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    found = overwritten(timeline)
    if found is None or not is_plain(found):
        return
    name = timeline.name(found.number) if found.number is not None else "a tensor"
    by = found.write.name if found.write is not None else "an in-place operation"
    of = found.saved.name if found.saved is not None else "an operator"
    times = ""
    if found.changed is not None:
        saved, now = found.changed.detail["versions"]
        times = f", which was at version {saved} and is at {now}"
    yield CHECK.found(
        found.place,
        f"`{by}` writes {name} in place after `{of}` saved it for backward{times}.",
        parameters=timeline.names([found.number] if found.number is not None else []),
        also=found.raised.also((found.saved.place if found.saved is not None else None, "saved")),
        evidence={**found.raised.evidence, **versions(found)},
    )


def is_plain(found: Overwritten) -> bool:
    """Say whether the write is no update and no lookup, which other checks explain."""
    write = found.write
    if write is None:
        return True
    if write.kind is Kind.write:
        return not write.detail.get("leaves") or write.grad_mode
    return write.kind is Kind.op and "embedding" not in write.name


def versions(found: Overwritten) -> dict[str, int]:
    """Return the versions of the tensor when it was saved and when it was needed."""
    if found.changed is None:
        return {}
    saved, now = found.changed.detail["versions"]
    return {"version_saved": saved, "version_now": now}
