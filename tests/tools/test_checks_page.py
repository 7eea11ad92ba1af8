"""The page of all checks is the one that the checks give."""

from pathlib import Path

import pytest

from gradbench.diagnosis.check_list import all_checks
from tools.checks_page import main

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert PAGE.read_text(encoding="utf-8") == capsys.readouterr().out, "run make format"


def test_every_check_has_a_section(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    page = capsys.readouterr().out
    assert [line[3:8] for line in page.splitlines() if line.startswith("## GB")] == list(
        all_checks()
    )
