"""Reports of findings: who has told PyTorch of what. They cite; they decide nothing."""

from __future__ import annotations

from dataclasses import dataclass

from gradbench.parity.cases import Case


@dataclass(frozen=True)
class Report:
    """A public report, and the findings that it is about.

    Args:
        source: The issue or pull request.
        check: The check that fails.
        implementation: The implementation that fails it.
        optimizer: Name of the optimizer; empty for any.
        needs: Names of options or types that the smallest case has to have, one at least.
    """

    source: str
    check: str
    implementation: str
    optimizer: str = ""
    needs: tuple[str, ...] = ()

    def covers(self, case: Case, check: str) -> bool:
        """Say whether a finding is the one reported."""
        features = {str(case.dtype).removeprefix("torch."), *(name for name, _ in case.options)}
        return (
            (self.check, self.implementation) == (check, case.implementation)
            and self.optimizer in ("", case.optimizer)
            and (not self.needs or bool(features & set(self.needs)))
        )


REPORTS = (
    Report("pt#191763", "unwritten", "fused", "SGD", ("bfloat16", "float16")),
    Report("pt#191763", "values", "fused", "SGD", ("bfloat16", "float16")),
    Report("pt#191763", "state", "fused", "SGD", ("bfloat16", "float16")),
    Report("pt#194664", "values", "for_loop", "Muon", ("nesterov",)),
    Report("pt#194664", "state", "for_loop", "Muon", ("nesterov",)),
)


def source_of(case: Case, check: str) -> str:
    """Return the report of a finding, or an empty string where none is known."""
    return next((report.source for report in REPORTS if report.covers(case, check)), "")
