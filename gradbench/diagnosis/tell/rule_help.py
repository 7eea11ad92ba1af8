"""What is said of a check wherever its findings are read by another program."""

from __future__ import annotations

import re

from gradbench.diagnosis.finding import Check

DOCUMENTATION = "https://docs.pytorch.org/docs/stable/notes/autograd.html"
"""Where autograd's rules are written down, which every check rests on."""

_ISSUE = re.compile(r"\b(pt|tutorials)#(\d+)")
_REPOSITORIES = {"pt": "pytorch/pytorch", "tutorials": "pytorch/tutorials"}


def explain_command(check_id: str) -> str:
    """Return the command that explains a check."""
    return f"python -m gradbench explain {check_id}"


def with_links(source: str) -> str:
    """Write the issues that a source names as addresses; the rest stays.

    Args:
        source: Such as ``docs: torch.tensor; pt#13402``.

    Returns:
        Such as ``docs: torch.tensor; https://github.com/pytorch/pytorch/issues/13402``.
    """
    return _ISSUE.sub(
        lambda found: f"https://github.com/{_REPOSITORIES[found[1]]}/issues/{found[2]}", source
    )


def help_text(check: Check) -> str:
    """Say in plain text why what a check finds is a fault, and what to write instead."""
    parts = [check.why, f"Write instead:\n{check.fix}" if check.fix else ""]
    parts += [explain_command(check.id)]
    return "\n\n".join(filter(None, parts))


def help_markdown(check: Check) -> str:
    """Say the same in Markdown."""
    parts = [check.why, f"Write instead:\n\n```python\n{check.fix}\n```" if check.fix else ""]
    parts += [f"More: `{explain_command(check.id)}`"]
    return "\n\n".join(filter(None, parts))
