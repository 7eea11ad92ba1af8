"""`.grad` of a tensor that is no leaf."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Severity
from gradbench.diagnosis.leafless import Reading, readings
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB116",
    title="`.grad` of a tensor that is no leaf",
    severity=Severity.error,
    symptom="none",
    why=(
        "Only leaves keep a gradient. That of a result is dropped once it has been passed on, and "
        "its `.grad` is None. A slice such as `w[0]` is a new tensor each time it is written."
    ),
    fix="hidden.retain_grad()  # before backward\nloss.backward()\nhidden.grad\n"
    "w.grad[0]  # not w[0].grad",
    atlas=("hidden_gradient", "slice_gradient"),
    source="docs: torch.Tensor.retain_grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for a None that was read from a result and used."""
    for reading in readings(timeline):
        if not reading.meant_as_leaf:
            yield _found(timeline, reading)


def _found(timeline: Timeline, reading: Reading) -> Finding:
    slice_ = reading.maker.name == "__getitem__" and reading.maker.place == reading.place
    name = timeline.name(reading.number)
    also = (Also(reading.made_at, "made here"),) if reading.made_at != reading.place else ()
    return CHECK.found(
        reading.place,
        "`.grad` of a slice is None: the slice is a new tensor, and no leaf. Take the slice of "
        "`.grad`."
        if slice_
        else f"`.grad` of {name} is None: it is the result of `{reading.maker.name.strip('_')}` "
        "and no leaf, and `retain_grad` was not called.",
        parameters=timeline.names((reading.number,)),
        also=also,
        evidence={"reads": reading.times, "leaf": False, "retained": False},
        atlas="slice_gradient" if slice_ else "hidden_gradient",
    )
