"""All checks of ``diagnose`` as a Markdown page: ``python tools/checks_page.py``."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.check_list import all_checks
from gradbench.diagnosis.finding import Check

HEAD = """\
# Checks of `diagnose`

Written by `make format`. What `python -m gradbench diagnose train.py` looks for, one by one.
`python -m gradbench explain GB101` shows the same with code to paste: what fails, what to write
instead, and what looks like it and is fine. An `error` is certainly not what was meant or silently
wrong, a `warning` probably not meant, a `note` worth knowing.
"""


def main() -> None:
    """Print the page."""
    checks = [module.CHECK for module in all_checks().values()]
    print(HEAD)
    for check in checks:
        print("\n".join(_section(check)))


def _section(check: Check) -> Iterator[str]:
    yield f"## {check.id}: {check.title}"
    yield ""
    yield f"{check.severity.value} · {check.symptom}"
    yield ""
    yield check.why
    yield ""
    yield from ("```python", check.fix.strip(), "```")
    yield ""
    if check.atlas:
        modes = ", ".join(f"`{mode}`" for mode in check.atlas)
        yield f"Atlas: {modes}."
    if check.source:
        yield f"Source: {check.source}."
    yield ""


if __name__ == "__main__":
    main()
