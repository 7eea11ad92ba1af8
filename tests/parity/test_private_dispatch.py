"""What gradbench uses of PyTorch's dispatcher without PyTorch's promise."""

import torch

from gradbench.parity.truth import _EXACT, _Counter


def test_private_dispatch_mode_sees_each_operator_by_its_name() -> None:
    x = torch.ones(2, 2, dtype=torch.float64)
    with _Counter() as counter:
        x.clone().detach().view(4)  # exact, or no more than a view
        torch.zeros_like(x)
    assert counter.operations == 0, f"operators have other names than {sorted(_EXACT)}"
    with _Counter() as counter:
        x.mul(2).add_(1)
    assert counter.operations == 2, "TorchDispatchMode no longer sees each operator"
