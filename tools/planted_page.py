"""What the parity hunt finds of planted defects: ``python -m tools.planted_page``, in minutes.

Every defect of ``tests/parity/planted`` is planted in a copy of its optimizer, and every faithful
copy is held against its original. It goes to standard output as Markdown.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import torch

from gradbench.parity.cases import Case
from gradbench.parity.catalogue import catalogue
from gradbench.report.markdown import markdown_table
from tests.parity.planted import PLANTED
from tests.parity.planted.sought import Sought, differences, seek

WORKERS = 2

_HEAD = """\
# What would the parity hunt miss?

Written by `make planted`. Each line of the tables is a defect planted in a copy of an optimizer of
torch.optim, one line of its source changed ([tests/parity/planted](../tests/parity/planted)), and
`experiment=parity` sent after it as after the original. It is *found* if a case fails a check that
it does not fail with the original. `every` implementation has a defect in what they share.
"""
_FOOT = """\
`check` and `case` are of the first case tried that shows the defect: others show it, too.
`compiled`, which takes seconds, is tried only after defects that are about it.
"""


def planted_page(
    sought: Sequence[Sought], false: dict[str, list[tuple[Case, set[str]]]], device: str
) -> str:
    """Write the page.

    Args:
        sought: What came of each planted defect.
        false: By optimizer, the cases of which the hunt says other things of a faithful copy.
        device: Where the hunt was.

    Returns:
        Markdown.
    """
    reached = [one for one in sought if device == "cuda" or not one.planted.needs_cuda]
    found = [one for one in reached if one.case]
    missed = [one for one in reached if not one.case]
    beyond = [one.planted for one in sought if one not in reached]
    wrong = sum(map(len, false.values()))
    parts = [
        _HEAD,
        f"**Found: {len(found)} of {len(reached)}, {len(found) / len(reached):.1%}**, on {device} "
        f"with torch {torch.__version__}. In faithful copies of {len(false)} optimizers {wrong} "
        "cases fail otherwise than with the original.",
        "## By check",
        _counted("check", Counter(one.check for one in found)),
        "## Not found",
        markdown_table(
            ["optimizer", "implementation", "about", "defect", "why"],
            [[*_told(one), one.planted.unseen or "unknown"] for one in missed],
        ),
    ]
    if beyond:
        parts += [
            f"Not counted are {len(beyond)} in `capturable`, which torch.optim refuses on the CPU:",
            markdown_table(
                ["optimizer", "implementation", "about", "defect"],
                [[p.optimizer, p.where, p.about, p.what] for p in beyond],
            ),
        ]
    heads = ["optimizer", "implementation", "about", "defect", "check", "shown by", "case"]
    rows = [[*_told(one), one.check, *_case(one.case)] for one in found if one.case]
    parts += ["## Found", markdown_table(heads, rows), _FOOT]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _told(one: Sought) -> list[str]:
    return [one.planted.optimizer, one.planted.where, one.planted.about, one.planted.what]


def _case(case: Case) -> list[str]:
    options = ", ".join(f"{name}={value!r}" for name, value in case.options if name != "lr")
    dtype = str(case.dtype).removeprefix("torch.")
    return [case.implementation, ", ".join(filter(None, (case.layout, dtype, options)))]


def _counted(head: str, counts: Counter[str]) -> str:
    return markdown_table([head, "defects"], [[name, str(n)] for name, n in counts.most_common()])


def main() -> None:
    """Plant everything and write the page."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wanted = [p for p in PLANTED if device.type == "cuda" or not p.needs_cuda]
    names = [found.name for found in catalogue()]
    with ProcessPoolExecutor(WORKERS, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        came = list(pool.map(seek, wanted, [device] * len(wanted)))
        false = dict(zip(names, pool.map(differences, names, [device] * len(names)), strict=True))
    came += [Sought(p, None, "", 0) for p in PLANTED if p not in wanted]
    sys.stdout.write(planted_page(came, false, device.type))


if __name__ == "__main__":
    main()
