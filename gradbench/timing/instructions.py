"""Instructions per update, counted by callgrind: the same on a busy machine as on a quiet one."""

from __future__ import annotations

import base64
import contextlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch.utils.benchmark import Timer

from gradbench.rules.base import Rule
from gradbench.timing.binding import bind_with_gradients
from gradbench.timing.contender import Contender
from gradbench.verify.tensors import Tensors

_UPDATES = 10


def instructions(
    contender: Contender, rule: Rule, shapes: Sequence[torch.Size], dtype: torch.dtype
) -> int:
    """Count the instructions of one update on the CPU, in one thread.

    A process of its own runs under valgrind and imports torch there, which takes a minute or so;
    updates run some fifty times slower than without.

    Args:
        contender: A verified cell that does not update in backward.
        rule: What it carries out.
        shapes: Shape of each tensor.
        dtype: Their floating type.

    Returns:
        Instructions per update, the mean of ten, after two that are not counted.

    Raises:
        OSError: Valgrind failed.

    Source: documentation of torch.utils.benchmark.Timer.collect_callgrind.
    """
    sizes = [tuple(shape) for shape in shapes]
    what = (contender.strategy, contender.zeroing, rule, sizes, str(dtype).removeprefix("torch."))
    packed = base64.b64encode(pickle.dumps(what)).decode()
    setup = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from gradbench.timing.instructions import unpack\n"
        f"step = unpack({packed!r})"
    )
    with _this_python_first():
        timer = Timer("step()", setup=setup, num_threads=1)
        statistics = timer.collect_callgrind(
            _UPDATES, repeats=None, collect_baseline=False, retain_out_file=False
        )
    counted: int = statistics.counts()
    return round(counted / _UPDATES)


def unpack(packed: str) -> Callable[[], None]:
    """Bind the strategy again, under valgrind.

    Args:
        packed: Strategy, zeroing, rule, shapes and dtype, as :func:`instructions` packs them.

    Returns:
        The step, called twice already, so that nothing is set up in the next one.
    """
    strategy, zeroing, rule, sizes, dtype = pickle.loads(base64.b64decode(packed))
    torch.manual_seed(0)
    shapes = [torch.Size(size) for size in sizes]
    tensors = Tensors.allocate(shapes, getattr(torch, dtype), torch.device("cpu"), rule)
    step, _ = bind_with_gradients(strategy, zeroing, rule, tensors)
    step()
    step()
    return step


@contextlib.contextmanager
def _this_python_first() -> Iterator[None]:
    """Let the command ``python`` be this one: collect_callgrind starts whatever it finds."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before
