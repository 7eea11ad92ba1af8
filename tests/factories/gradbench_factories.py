"""Models that misbehave, each in its own way, for ``model.factory=gradbench_factories:NAME``."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
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


class Linear(nn.Linear):
    """Four to two, with a forward pass of its own."""

    def __init__(self):
        super().__init__(4, 2)


def raises_value_error():
    raise ValueError("no such data set")


def raises_in_backward():
    class Refuses(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("backward refuses")

    class Module(Linear):
        def forward(self, x):
            return Refuses.apply(super().forward(x))

    return Module(), torch.randn(3, 4)


def nan():
    class Module(Linear):
        def forward(self, x):
            return super().forward(x) * float("nan")

    return Module(), torch.randn(3, 4)


def no_parameters():
    return nn.Identity(), torch.randn(3, 4)


def no_gradient():
    class Module(Linear):
        def forward(self, x):
            return super().forward(x).detach()

    return Module(), torch.randn(3, 4)


def complex_parameters():
    class Module(Linear):
        def __init__(self):
            super().__init__()
            self.phase = nn.Parameter(torch.randn(2, dtype=torch.complex64))

        def forward(self, x):
            return super().forward(x) * self.phase.abs()

    return Module(), torch.randn(3, 4)


def sparse_parameters():
    class Module(Linear):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.eye(4).to_sparse())

        def forward(self, x):
            return super().forward(torch.sparse.mm(self.table, x.t()).t())

    return Module(), torch.randn(3, 4)


def sparse_gradients():
    return nn.Embedding(5, 2, sparse=True), torch.tensor([0, 3, 3])


def integer_parameters():
    class Module(Linear):
        def __init__(self):
            super().__init__()
            self.count = nn.Parameter(torch.tensor([3]), requires_grad=False)

        def forward(self, x):
            return super().forward(x) * self.count

    return Module(), torch.randn(3, 4)


def meta_parameters():
    return nn.Linear(4, 2, device="meta"), torch.randn(3, 4)


def other_device():
    """A parameter that forward itself moves; there is no second device but meta everywhere."""

    class Module(Linear):
        def forward(self, x):
            return super().forward(x.to("meta"))

    return Module(), torch.randn(3, 4)


def tied():
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module[1].weight = module[0].weight
    return module, torch.randn(3, 4)


def one_parameter():
    return nn.Linear(1, 1, bias=False), torch.randn(3, 1)


def _many(count):
    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in range(count))

        def forward(self, x):
            return x * torch.cat(list(self.weights)).sum()

    return Module(), torch.randn(3, 1)


def a_thousand_tensors():
    return _many(1_000)


def a_hundred_thousand_tensors():
    return _many(100_000)


def takes_all_memory():
    """Until the kernel ends the process, or where no group limits it, until malloc fails."""
    group = os.environ.get("GRADBENCH_MEMORY_GROUP")
    if group is not None:
        with open(f"{group}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
        hoard = []
        while True:
            hoard.append(b"x" * (1 << 24))
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 28), resource.RLIM_INFINITY))
    return fine()[0], torch.randn(1 << 30)


def really_segfaults():
    ctypes.string_at(0)


def vanishes():
    os._exit(0)


def floods():
    """Prints sixteen megabytes, or a gigabyte, to both of its outputs, and fails."""
    lines = 1024 if os.environ.get("GRADBENCH_TORTURE") else 16
    for stream in (sys.stdout, sys.stderr):
        for _ in range(lines):
            stream.write("x" * (1 << 20) + "\n")
    print("the last of it", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def leaves_threads():
    for daemon in (False, True):
        threading.Thread(target=time.sleep, args=(600,), daemon=daemon).start()
    return fine()


def leaves_a_process():
    subprocess.Popen(["sleep", "4242"])
    return fine()


def ignores_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(60)
