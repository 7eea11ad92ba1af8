"""A defect planted in a copy of an optimizer of torch.optim: torch's own files stay as they are."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from gradbench.parity.catalogue import FOR_LOOP, Entry, entry

PREFIXES = {"_single_tensor_": FOR_LOOP, "_multi_tensor_": "foreach", "_fused_": "fused"}


class Absent(Exception):
    """This torch's source has not the text that the defect replaces."""


@dataclass(frozen=True)
class Planted:
    """A defect: text of a function of torch.optim, and what stands there instead.

    Args:
        optimizer: Name of the class.
        about: The option, layout or check that is to notice.
        what: The defect in words.
        place: The function that has it, or ``Class.method``.
        old: What torch.optim has there; every occurrence in the function is replaced.
        new: The defect.
        unseen: Why the hunt does not find it; empty where it does.
    """

    optimizer: str
    about: str
    what: str
    place: str
    old: str
    new: str
    unseen: str = ""

    def __str__(self) -> str:
        return f"{self.optimizer}, {self.where}: {self.about} {self.what}"

    @property
    def needs_cuda(self) -> bool:
        """Whether torch.optim refuses on the CPU what has the defect."""
        return self.about == "capturable"

    @property
    def where(self) -> str:
        """The implementation that has the defect; ``every`` where all share the function."""
        return next((name for p, name in PREFIXES.items() if self.place.startswith(p)), "every")


def copied(optimizer: str, planted: Planted | None = None) -> Entry:
    """Describe a copy of an optimizer, made from its source.

    Args:
        optimizer: Name of the class in torch.optim.
        planted: The defect to plant; None for a faithful copy.

    Returns:
        The copy, by the name of the original.

    Raises:
        Absent: The source has not what the defect replaces.
    """
    real = getattr(torch.optim, optimizer)
    file = Path(real.__init__.__code__.co_filename)
    source = file.read_text()
    if planted is not None:
        source = _replaced(source, planted)
    names: dict[str, Any] = {"__name__": f"torch.optim.{file.stem}", "__package__": "torch.optim"}
    # By the original's file name, since a refusal from torch.optim's own files is a documented one.
    exec(compile(source, str(file), "exec", dont_inherit=True), names)
    made = names[optimizer]
    assert issubclass(made, Optimizer)
    assert made is not real
    return entry(made)


def _replaced(source: str, planted: Planted) -> str:
    wanted = planted.place.split(".")[-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == wanted:
            lines = source.splitlines(keepends=True)
            body = "".join(lines[node.lineno - 1 : node.end_lineno])
            if planted.old not in body:
                raise Absent(f"{planted.place} of {torch.__version__} has no {planted.old!r}")
            changed = body.replace(planted.old, planted.new)
            return "".join((*lines[: node.lineno - 1], changed, *lines[node.end_lineno :]))
    raise Absent(f"{torch.__version__} has no {planted.place}")
