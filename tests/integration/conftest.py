"""Faults are counted, and the counts printed at the end."""

from collections import Counter

import pytest

_TALLY: Counter[str] = Counter()


@pytest.fixture(scope="session")
def tally() -> Counter[str]:
    """Counts of faults injected and what became of them."""
    return _TALLY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _TALLY:
        return
    terminalreporter.section("faults")
    for name in ("faults injected", "kills survived", "blocks lost", "wrong rows"):
        terminalreporter.write_line(f"{name}: {_TALLY[name]}")
