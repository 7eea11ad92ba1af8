"""What gradbench uses of PyTorch's profiler without PyTorch's promise."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from gradbench.devices.events import events_of

SIZE = 1 << 12


def test_private_events_tell_operators_allocations_and_annotations() -> None:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        with record_function("marked"):
            made = torch.ones(SIZE)
        del made
    try:
        events = events_of(trace)
        said = [
            (event.name(), event.is_user_annotation(), event.device_type().name, event.start_ns())
            for event in events
        ]
        memory = [event for event in events if event.name() == "[memory]"]
        sizes = [e.nbytes() for e in sorted(memory, key=lambda event: event.start_ns())]
    except AttributeError as error:
        pytest.fail(f"kineto_results or a method of its events has gone: {error}")
    assert {device for _, _, device, _ in said} == {"CPU"}
    assert [name for name, annotation, _, _ in said if annotation] == ["marked"]
    assert "aten::ones" in [name for name, *_ in said]
    assert sizes == [4 * SIZE, -4 * SIZE], "an allocation and its end are no longer both told"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_private_device_of_a_kernel_is_named_cuda() -> None:
    x = torch.ones(SIZE, device="cuda")
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as trace:
        x.neg_()
        torch.cuda.synchronize()
    devices = [event.device_type().name for event in events_of(trace)]
    assert devices.count("CUDA") == 1, f"one kernel is on these devices: {devices}"
