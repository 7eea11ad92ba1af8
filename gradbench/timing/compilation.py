"""What ``torch.compile`` does while cells are measured: graphs, seconds, breaks, and its limit.

Compiling belongs to the untimed calls. Where it happens in a timed one, or where Dynamo gives up
and runs a step as it is written, the time is not that of the compiled step.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any

_LIMITS = (
    "recompile_limit",
    "accumulated_recompile_limit",
    "cache_size_limit",  # their names before torch 2.7
    "accumulated_cache_size_limit",
)
_RAISED = 1 << 16
"""A program compiles the step of one optimizer, a block those of many, one after another: a step
that is compiled anew for each would from the ninth on run as it is written (limit 8)."""


SETTLING_CALLS = 2
"""First calls after a binding that may compile: the first may make the state that another graph for
the second one is compiled with, as ``torch.compile(SGD(momentum=…).step)`` does."""


@dataclass(frozen=True)
class _Counts:
    """Dynamo's counters at one time; the same names in torch 2.5 to 2.13.

    Args:
        compilations: Frames it compiled or tried to.
        seconds: Seconds it took for them.
        graphs: Graphs it handed to the compiler.
        breaks: Graph breaks it met.
        given_up: Frames it will run as they are written: the limit of their graphs is reached.
    """

    compilations: int = 0
    seconds: float = 0.0
    graphs: int = 0
    breaks: int = 0
    given_up: int = 0

    @classmethod
    def now(cls) -> _Counts:
        """Read them; zeros where nothing has imported Dynamo, which takes seconds to import."""
        utils: Any = sys.modules.get("torch._dynamo.utils")
        counters = getattr(utils, "counters", None)
        if counters is None:  # or is just being imported
            return _NOTHING
        spent = utils.compilation_time_metrics.get("_compile.compile_inner", ())
        missed = counters["unimplemented"].items()
        return cls(
            compilations=len(spent),
            seconds=sum(spent),
            graphs=counters["stats"]["unique_graphs"],
            breaks=sum(counters["graph_break"].values()),
            given_up=sum(
                times for why, times in missed if re.search("(recompile|size).limit", why)
            ),
        )

    def since(self, earlier: _Counts) -> _Counts:
        """Subtract earlier ones; ``torch._dynamo.reset`` begins anew with the first two."""
        kept = self.compilations >= earlier.compilations
        return _Counts(
            self.compilations - earlier.compilations * kept,
            self.seconds - earlier.seconds * kept,
            self.graphs - earlier.graphs,
            self.breaks - earlier.breaks,
            self.given_up - earlier.given_up,
        )


_NOTHING = _Counts()


@dataclass
class Compiled:
    """What was compiled for one cell.

    Args:
        seconds: Seconds that took.
        graphs: Graphs that were compiled.
        breaks: Graph breaks in one of its calls: between them the step runs as it is written.
        reason: Why its times are not those of a compiled step; None where they are.
    """

    seconds: float = 0.0
    graphs: int = 0
    breaks: int = 0
    reason: str | None = None


class Compilation:
    """Credits what is compiled during a block to its cells.

    As a context it also raises the limits on graphs, once Dynamo is there, and lowers them again.

    Attributes:
        by_cell: What was compiled, by cell; cells for which nothing was are not in it.
        gave_up: Names of the cells in whose calls a limit was reached.
    """

    def __init__(self) -> None:
        self.by_cell: dict[str, Compiled] = {}
        self.gave_up: set[str] = set()
        self._counts = _Counts.now()
        self._lowered: dict[str, int] | None = None

    def __enter__(self) -> Compilation:
        self._raise_limits()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name, limit in (self._lowered or {}).items():
            setattr(_dynamo_config(), name, limit)
        self._lowered = None

    @property
    def seconds(self) -> float:
        """Seconds of all cells together."""
        return sum(compiled.seconds for compiled in self.by_cell.values())

    @property
    def failed(self) -> set[str]:
        """Names of the cells whose times are not those of a compiled step."""
        return {cell for cell, compiled in self.by_cell.items() if compiled.reason is not None}

    def clock(self) -> float:
        """Read a clock that stands still while cells compile, so that no budget pays for it."""
        return time.perf_counter() - self.seconds

    def credit(self, cell: str, *, timed: bool = False, alike: bool = True) -> bool:
        """Credit what was compiled since the last call to a cell; outside of the clock.

        Args:
            cell: Name of the cell whose call, or calls, just ended.
            timed: Whether they were timed: nothing may be compiled in those.
            alike: Whether they were calls of one binding, whose graph breaks are those of a call.

        Returns:
            Whether anything was compiled.
        """
        counts = _Counts.now()
        if counts == self._counts:
            return False
        new, self._counts = counts.since(self._counts), counts
        self._raise_limits()
        if new.compilations == 0:  # reset, and nothing since
            return False
        compiled = self.by_cell.setdefault(cell, Compiled())
        compiled.seconds += new.seconds
        compiled.graphs += new.graphs
        compiled.breaks = max(compiled.breaks, new.breaks if alike else 0)
        if new.given_up > 0:
            self.gave_up.add(cell)
            compiled.reason = (
                "torch.compile reached its recompile_limit: the step ran as it is written, "
                "not compiled"
            )
        elif timed and compiled.reason is None:
            compiled.reason = (
                f"torch.compile compiled while it was timed: {new.graphs} "
                f"{'graph' if new.graphs == 1 else 'graphs'} in {new.seconds:.2g} s"
            )
        return True

    def _raise_limits(self) -> None:
        if self._lowered is not None or _dynamo_config() is None:
            return
        config = _dynamo_config()
        self._lowered = {name: getattr(config, name) for name in _LIMITS if hasattr(config, name)}
        for name in self._lowered:
            setattr(config, name, _RAISED)


def forget_graphs() -> None:
    """Have everything compiled anew, where anything was.

    A function that raised while it was compiled runs as it is written ever after.
    """
    dynamo: Any = sys.modules.get("torch._dynamo")
    if dynamo is not None and hasattr(dynamo, "reset"):
        dynamo.reset()


def _dynamo_config() -> ModuleType | None:
    """Find Dynamo's configuration, where something has imported it."""
    return sys.modules.get("torch._dynamo.config")
