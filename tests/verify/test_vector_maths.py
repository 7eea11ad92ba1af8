"""Before two threads call MKL's vector maths at once, one has."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from gradbench.verify.vector_maths import initialize_vector_maths


class Calls(TorchFunctionMode):
    """Notes which functions are called, of how many elements."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if args and isinstance(args[0], torch.Tensor):
            self.seen.append((func.__name__, args[0].numel()))
        return func(*args, **(kwargs or {}))


def test_every_call_is_too_small_for_two_threads() -> None:
    with Calls() as calls:
        initialize_vector_maths()
    assert ("sqrt", 1) in calls.seen
    assert {elements for _, elements in calls.seen} == {1}


@pytest.mark.parametrize("module", ["gradbench.block.run", "gradbench.verify.vector_maths"])
def test_tasks_begin_with_it(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of tasks call it before they build anything."""
    from omegaconf import OmegaConf

    from gradbench.block import run as execution
    from gradbench.observing.task import TrialTask

    class Begun(Exception):
        pass

    def begin() -> None:
        raise Begun

    monkeypatch.setattr(f"{module}.initialize_vector_maths", begin)
    if module == "gradbench.block.run":
        monkeypatch.setattr(execution, "instantiate_axes", lambda block: None)
        block = OmegaConf.create({"threads": None})
        with pytest.raises(Begun):
            execution.measure_block(block, lambda *_: None)  # type: ignore[arg-type]
    else:
        with pytest.raises(Begun):
            TrialTask.do(None, lambda *_: None)  # type: ignore[arg-type]
