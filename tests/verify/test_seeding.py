import torch

from gradbench.verify.seeding import seed_step


def test_a_step_draws_what_manual_seed_would_give_it(device: torch.device) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3, device=device)
    seed_step(device, 5)
    assert torch.equal(torch.rand(3, device=device), wanted)
