"""Models that misbehave, each in its own way, for ``model.factory=gradbench_factories:NAME``."""

import os
import signal
import sys
import time

import torch
from torch import nn


def fine():
    return nn.Linear(4, 2), torch.randn(3, 4)


def partly_unused():
    class Partly(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x):
            return self.used(x)

    return Partly(), torch.randn(3, 4)


def frozen():
    module = nn.Linear(4, 2)
    module.requires_grad_(False)
    return module, torch.randn(3, 4, requires_grad=True)


def not_a_pair():
    return nn.Linear(4, 2)


def raises():
    raise RuntimeError("the data set is gone")


def raises_in_forward():
    class Module(nn.Linear):
        def forward(self, x):
            raise RuntimeError("forward refuses")

    return Module(4, 2), torch.randn(3, 4)


def leaves():
    sys.exit(3)


def segfaults():
    os.kill(os.getpid(), signal.SIGSEGV)


def killed():
    print("about to be killed", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def hangs():
    time.sleep(600)


def chatty():
    print("x" * 1_000_000)
    return fine()
