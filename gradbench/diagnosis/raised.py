"""What the program raised, and which backward pass or gradient failed with it."""

from __future__ import annotations

from dataclasses import dataclass

from gradbench.diagnosis.finding import Also, Place
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Raised:
    """The error that ended a program.

    Args:
        event: Of kind ``error``.
        place: The user's innermost line that was running.
        message: What it says.
        failed: The backward pass that failed with it; None where there is none.
        roots: Numbers of what was to be differentiated.
    """

    event: Event
    place: Place
    message: str
    failed: Event | None
    roots: tuple[int, ...]

    def also(self, *lines: tuple[Place | None, str]) -> tuple[Also, ...]:
        """Return other lines, and at the end where it was raised.

        Args:
            lines: Places with their roles; those that are None are left out.

        Returns:
            Each line once.
        """
        role = "backward" if self.failed is not None else "raised"
        found: dict[Place, str] = {}
        for place, said in (*lines, (self.place, role)):
            if place is not None:
                found.setdefault(place, said)
        return tuple(Also(place, said) for place, said in found.items())

    @property
    def first(self) -> str:
        """The first sentence of the message."""
        return self.message.split(". ")[0].split("\n")[0].strip()[:200]

    @property
    def evidence(self) -> dict[str, str]:
        """What was measured: the error."""
        return {"raised": f"{self.event.name}: {self.first}"}


def raised(timeline: Timeline, *texts: str, kind: str = "") -> Raised | None:
    """Return the error that ended the program, if it says one of some texts.

    Args:
        timeline: What was seen.
        texts: Parts of PyTorch's message, any of which must be in it.
        kind: Name of the exception's class; empty takes any.

    Returns:
        The error; None if the program raised another one, or none.
    """
    errors = timeline.of(Kind.error)
    if not errors:
        return None
    event = errors[-1]
    message = event.detail["message"]
    if (kind and event.name != kind) or not any(text in message for text in texts):
        return None
    passes = [each for each in timeline.of(Kind.backward) if each.index < event.index]
    failed = passes[-1] if passes and passes[-1].detail["failed"] else None
    place = event.place or (failed.place if failed is not None else None)
    if place is None:
        return None
    roots = failed.detail["roots"] if failed is not None else event.detail.get("roots", ())
    return Raised(event, place, message, failed, tuple(roots))
