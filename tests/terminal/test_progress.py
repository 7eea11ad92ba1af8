from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

from gradbench.request.task import Finished
from gradbench.terminal.progress import Screen


@pytest.mark.parametrize(
    ("compile_s", "shown"), [(0.4, "3 ok; 9.1 s\n"), (6.21, "3 ok; 9.1 s, 6.2 s of it compiling\n")]
)
def test_a_block_that_compiles_for_long_says_so(compile_s: float, shown: str) -> None:
    written = StringIO()
    screen = Screen(Console(file=written, width=200))
    screen.ends("block", Finished(Counter(ok=3), compile_s=compile_s), 9.12)
    assert written.getvalue().endswith(shown)
