"""Have MKL set its vector maths up before two threads do so at once."""

from __future__ import annotations

import torch

_FUNCTIONS = (torch.sqrt, torch.exp, torch.log, torch.tanh, torch.sin, torch.cos)
"""Element-wise functions of models and rules that PyTorch leaves to MKL."""


def initialize_vector_maths() -> None:
    """Call element-wise functions on one element, and so in one thread.

    In the first call of a process, MKL seems to choose its variant of a function. Made by two
    threads at once, ``torch.sqrt`` of 131,072 float32 values was now and then off by 3.2e-4 in the
    half of one of them (torch 2.13.0, CPU); later calls were right.
    """
    for dtype in (torch.float32, torch.float64):
        one = torch.ones(1, dtype=dtype)
        for function in _FUNCTIONS:
            function(one)
