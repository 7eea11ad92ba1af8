"""The verb ``explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from gradbench.terminal.console import make_console


def explain(
    check: Annotated[
        str | None,
        typer.Argument(
            metavar="CHECK",
            help="Such as GB101, or a failure mode of the atlas; lists all checks, if left out.",
        ),
    ] = None,
) -> None:
    """Explain what diagnose finds: why it fails, what to write instead, code that shows it.

    Exit status: 0; 2 if there is no such check.
    """
    # Imported here: --help must not wait for torch.
    from gradbench.diagnosis.tell.explain import checks_table
    from gradbench.diagnosis.tell.explain import explain as explained

    make_console().print(checks_table() if check is None else explained(check))
