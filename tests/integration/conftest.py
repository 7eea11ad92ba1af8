"""Faults are counted, and the counts printed at the end."""

from collections import Counter
from pathlib import Path

import pytest

_TALLY: Counter[str] = Counter()


@pytest.fixture(scope="session")
def tally() -> Counter[str]:
    """Counts of faults injected and what became of them."""
    return _TALLY


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short path: that of a socket may have no more than a hundred characters."""
    return tmp_path_factory.mktemp("f")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _TALLY:
        return
    terminalreporter.section("faults")
    for name in ("faults injected", "kills survived", "blocks lost", "wrong rows"):
        terminalreporter.write_line(f"{name}: {_TALLY[name]}")
