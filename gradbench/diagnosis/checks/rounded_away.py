"""Updates that low precision rounds away."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB316",
    title="Updates are rounded away in low precision",
    severity=Severity.warning,
    symptom="lost",
    why=(
        "The numbers of bfloat16 next to 1 are 0.0078 apart above it and 0.0039 below, those of "
        "float16 a thousandth. An update that is smaller than half of that leaves the parameter as "
        "it is, in each step again."
    ),
    fix=(
        "model = Model()  # parameters in float32\n"
        "with torch.autocast(device_type, dtype=torch.bfloat16):\n    loss = model(x)"
    ),
    atlas=("update_rounded_away",),
    source="docs: torch.amp",
    sure_after=3,
)

_LOW = ("bfloat16", "float16")
_SHARE = 0.8
_STEPS = 3


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters of low precision whose elements stay, although a step would move them."""
    yield from _steps(timeline)
    yield from _by_hand(timeline)


def _steps(timeline: Timeline) -> Iterator[Finding]:
    moved: dict[int, list[tuple[int, int]]] = {}
    first: dict[int, Event] = {}
    for step in timeline.of(Kind.step):
        if not all(step.detail["lr"]) or not step.detail["torch"]:
            continue
        for leaf, _, _, pushed, still in step.detail["elements"]:
            if pushed and _is_low(timeline, leaf):
                moved.setdefault(leaf, []).append((pushed, still))
                first.setdefault(leaf, step)
    groups: dict[Place, list[int]] = {}
    pushed = sum(each for seen in moved.values() for each, _ in seen)
    still = sum(each for seen in moved.values() for _, each in seen)
    steps = max((len(seen) for seen in moved.values()), default=0)
    if steps < _STEPS or still < _SHARE * pushed:
        return
    for leaf, seen in moved.items():
        place = _made_low(timeline, leaf) or first[leaf].place
        if place is not None and len(seen) >= _STEPS:
            groups.setdefault(place, []).append(leaf)
    for place, leaves in groups.items():
        pushed = sum(each for leaf in leaves for each, _ in moved[leaf])
        still = sum(each for leaf in leaves for _, each in moved[leaf])
        dtype = _dtype(timeline, leaves[0])
        yield CHECK.found(
            place,
            f"{named(timeline, leaves)} are of {dtype}: {still} of {pushed} elements that had a "
            f"gradient did not move in {steps} steps. The updates are rounded away.",
            parameters=timeline.names(leaves),
            also=lines((first[leaves[0]], "step")),
            evidence={"elements": pushed, "unmoved": still, "steps": steps, "dtype": dtype},
        )


def _by_hand(timeline: Timeline) -> Iterator[Finding]:
    seen: dict[tuple[Place, int], list[Event]] = {}
    moved: set[tuple[Place, int]] = set()
    for write in timeline.of(Kind.write):
        if write.place is None:
            continue
        for leaf in write.detail.get("tried", ()):
            if not _is_low(timeline, leaf):
                continue
            if leaf in write.detail["moved"]:
                moved.add((write.place, leaf))
            elif not write.detail.get("nothing", False) and write.name in _SMALL:
                seen.setdefault((write.place, leaf), []).append(write)
    groups: dict[Place, list[tuple[int, list[Event]]]] = {}
    for (place, leaf), writes in seen.items():
        if (place, leaf) not in moved and len(writes) >= _STEPS:
            groups.setdefault(place, []).append((leaf, writes))
    for place, group in groups.items():
        leaves = [leaf for leaf, _ in group]
        times = len(group[0][1])
        dtype = _dtype(timeline, leaves[0])
        yield CHECK.found(
            place,
            f"The update of {named(timeline, leaves)} is rounded away {often(times)}: in {dtype} "
            "it is too small to change the parameter, which has not moved.",
            parameters=timeline.names(leaves),
            evidence={"times": times, "moved": 0, "dtype": dtype},
            fix="master = w.detach().float()\nmaster -= update\nw.copy_(master)",
        )


def _is_low(timeline: Timeline, leaf: int) -> bool:
    return _dtype(timeline, leaf) in _LOW


def _dtype(timeline: Timeline, leaf: int) -> str:
    """Return the dtype of a leaf: the last one that `.data` was given, or its first."""
    for event in reversed(timeline.of(Kind.data_write)):
        if leaf in event.outputs:
            return str(event.detail["dtypes"][1])
    tensor = timeline.tensors.get(leaf)
    return tensor.dtype if tensor is not None else ""


def _made_low(timeline: Timeline, leaf: int) -> Place | None:
    """Return the line that made a leaf one of low precision."""
    for event in timeline.of(Kind.data_write):
        before, after = event.detail["dtypes"]
        if leaf in event.outputs and after in _LOW and before not in _LOW:
            return event.place
    for event in timeline.of(Kind.parameter):
        if leaf in event.outputs:
            return event.place
    return None


_SMALL = frozenset(
    {"add_", "sub_", "__iadd__", "__isub__", "addcdiv_", "addcmul_", "_foreach_add_",
     "_foreach_sub_", "_foreach_addcdiv_"}
)  # fmt: skip
