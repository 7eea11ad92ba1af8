"""The random numbers of a training step."""

from __future__ import annotations

import torch


def seed_step(device: torch.device, seed: int) -> None:
    """Seed the generators that a module on a device draws from.

    ``torch.manual_seed`` also seeds the devices that are not there, and formats a stack trace for
    each of them: ten times what a step of a small model takes.

    Args:
        device: Where the module is.
        seed: The seed, from 0 to 2⁶⁴ - 1.

    Source: torch/random.py and ``_lazy_call`` in torch/cuda/__init__.py, PyTorch 2.13.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
