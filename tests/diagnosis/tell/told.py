"""A program, and two checks that find something in it."""

from gradbench.diagnosis.finding import Check, Severity

PROGRAM = """\
import torch


def losses(model, batch):
    parts = [model(part) for part in batch]
    total = torch.tensor(parts).sum()  # of all parts
    return total


def train(model, optimizer, batches):
    for batch in batches:
        loss = losses(model, batch)
        loss.backward()
        optimizer.step()
"""

CONSTANT = Check(
    id="GB901",
    title="`torch.tensor` of computed values is a constant",
    severity=Severity.error,
    symptom="none",
    why="`torch.tensor` copies the numbers out of the graph.",
    fix="total = torch.stack(parts).sum()",
    atlas=("snapshot_detached",),
    source="docs: torch.tensor; pt#1",
)
CLIPPED = Check(
    id="GB902",
    title="Gradients are clipped after the step",
    severity=Severity.warning,
    symptom="lost",
    why="The step has used them already.",
    fix="clip_grad_norm_(model.parameters(), 1.0)\noptimizer.step()",
)
