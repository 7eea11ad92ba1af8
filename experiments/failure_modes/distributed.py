"""Distributed: `DistributedDataParallel` decides at its start which gradients it will wait for.

One process is enough to see it, in a group that feigns to communicate, with a hook that leaves the
gradients as they are: no threads, no network. DDP waits for a gradient of every parameter that
required one when it was built, unless it is told to look for the unused ones.
"""

from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.debugging_hooks import noop_hook
from torch.nn.parallel import DistributedDataParallel
from torch.testing._internal.distributed.fake_pg import FakeStore

from gradbench.observing.failure_mode import FailureMode, observe_modes
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.observing.symptom import State


def unused_in_ddp(device):
    """The second layer never reports, so that the first backward does not end for DDP."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        layers = nn.ModuleDict({"used": nn.Linear(1, 1), "unused": nn.Linear(1, 1)}).to(device)
        layers.forward = lambda x: layers["used"](x)
        model = DistributedDataParallel(layers)
        model.register_comm_hook(None, noop_hook)
        for _ in range(2):
            model(torch.ones(1, 1, device=device)).sum().backward()
    finally:
        dist.destroy_process_group()


def unused_in_ddp_fix(device):
    """Have DDP look for parameters that take no part, at some cost in each step."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        layers = nn.ModuleDict({"used": nn.Linear(1, 1), "unused": nn.Linear(1, 1)}).to(device)
        layers.forward = lambda x: layers["used"](x)
        model = DistributedDataParallel(layers, find_unused_parameters=True)
        model.register_comm_hook(None, noop_hook)
        for _ in range(2):
            layers.zero_grad()
            model(torch.ones(1, 1, device=device)).sum().backward()
    finally:
        dist.destroy_process_group()
    return {"got": layers["used"].weight.grad, "right": torch.ones(1, 1)}


def unused_in_ddp_twin(device):
    """A layer frozen before DDP is built is not waited for."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        layers = nn.ModuleDict({"used": nn.Linear(1, 1), "unused": nn.Linear(1, 1)}).to(device)
        layers["unused"].requires_grad_(False)
        layers.forward = lambda x: layers["used"](x)
        model = DistributedDataParallel(layers)
        model.register_comm_hook(None, noop_hook)
        for _ in range(2):
            layers.zero_grad()
            model(torch.ones(1, 1, device=device)).sum().backward()
    finally:
        dist.destroy_process_group()
    return {"got": layers["used"].weight.grad, "right": torch.ones(1, 1)}


def frozen_after_ddp(device):
    """Frozen later, a parameter is still waited for."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        layer = nn.Linear(1, 1).to(device)
        model = DistributedDataParallel(layer)
        model.register_comm_hook(None, noop_hook)
        layer.weight.requires_grad_(False)
        for _ in range(2):
            model(torch.ones(1, 1, device=device)).sum().backward()
    finally:
        dist.destroy_process_group()


def frozen_after_ddp_fix(device):
    """Freeze first, or build DDP anew."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        layer = nn.Linear(1, 1).to(device)
        layer.weight.requires_grad_(False)
        model = DistributedDataParallel(layer)
        model.register_comm_hook(None, noop_hook)
        for _ in range(2):
            layer.zero_grad()
            model(torch.ones(1, 1, device=device)).sum().backward()
    finally:
        dist.destroy_process_group()
    return {"got": layer.bias.grad, "right": torch.ones(1)}


def frozen_after_ddp_twin(device):
    """Removed gradients are no trouble: DDP waits for backward, not for `.grad`."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        layer = nn.Linear(1, 1).to(device)
        model = DistributedDataParallel(layer)
        model.register_comm_hook(None, noop_hook)
        for _ in range(2):
            layer.weight.grad = layer.bias.grad = None
            model(torch.ones(1, 1, device=device)).sum().backward()
    finally:
        dist.destroy_process_group()
    return {"got": layer.bias.grad, "right": torch.ones(1)}


def replaced_after_ddp(device):
    """DDP watches the old parameter; the new one is not part of any bucket, and the old one is."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        layer = nn.Linear(1, 1).to(device)
        model = DistributedDataParallel(layer)
        model.register_comm_hook(None, noop_hook)
        layer.weight = nn.Parameter(torch.ones(1, 1, device=device))
        for _ in range(2):
            model(torch.ones(1, 1, device=device)).sum().backward()
    finally:
        dist.destroy_process_group()


def replaced_after_ddp_fix(device):
    """Change the values of the parameter that is there."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        layer = nn.Linear(1, 1).to(device)
        model = DistributedDataParallel(layer)
        model.register_comm_hook(None, noop_hook)
        nn.init.ones_(layer.weight)
        for _ in range(2):
            layer.zero_grad()
            model(torch.ones(1, 1, device=device)).sum().backward()
    finally:
        dist.destroy_process_group()
    return {"got": layer.weight.grad, "right": torch.ones(1, 1)}


def replaced_after_ddp_twin(device):
    """Before DDP is built a parameter may be replaced."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    try:
        layer = nn.Linear(1, 1).to(device)
        layer.weight = nn.Parameter(torch.ones(1, 1, device=device))
        model = DistributedDataParallel(layer)
        model.register_comm_hook(None, noop_hook)
        for _ in range(2):
            layer.zero_grad()
            model(torch.ones(1, 1, device=device)).sum().backward()
    finally:
        dist.destroy_process_group()
    return {"got": layer.weight.grad, "right": torch.ones(1, 1)}


def missing_group(device):
    """Say why this process cannot form a group of its own."""
    if not dist.is_available():
        return "this PyTorch is not distributed"
    return "this process is part of a group already" if dist.is_initialized() else None


UNFINISHED = "Expected to have finished reduction in the prior iteration"

MODES = (
    FailureMode(
        title="DDP with a parameter that takes no part",
        broken=unused_in_ddp,
        fix=unused_in_ddp_fix,
        twin=unused_in_ddp_twin,
        state=State.error,
        says=UNFINISHED,
        source="pt#43259",
        missing=missing_group,
    ),
    FailureMode(
        title="`requires_grad_(False)` after DDP was built",
        broken=frozen_after_ddp,
        fix=frozen_after_ddp_fix,
        twin=frozen_after_ddp_twin,
        state=State.error,
        says=UNFINISHED,
        source="docs: torch.nn.parallel.DistributedDataParallel",
        documented=True,
        missing=missing_group,
    ),
    FailureMode(
        title="A parameter replaced after DDP was built",
        broken=replaced_after_ddp,
        fix=replaced_after_ddp_fix,
        twin=replaced_after_ddp_twin,
        state=State.error,
        says=UNFINISHED,
        source="docs: torch.nn.parallel.DistributedDataParallel",
        documented=True,
        missing=missing_group,
    ),
)


def observe(device: torch.device) -> Iterator[Observation]:
    """Observe each mode, its fix and its twin."""
    yield from observe_modes(MODES, device)


if __name__ == "__main__":
    main(observe)
