"""An ensemble of regressors trained as one stacked model by stack_module_state and vmap."""

import copy

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap


class SimpleMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(1, 24), nn.Linear(24, 24), nn.Linear(24, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x).squeeze(-1)


def main():
    torch.manual_seed(0)
    num_models = 6
    x = torch.cat([torch.rand(60, 1) - 2.0, torch.rand(60, 1) + 1.0])
    y = torch.sin(2 * x).squeeze(1) + 0.1 * torch.randn(120)

    # the models themselves only give the initial values
    models = [SimpleMLP() for _ in range(num_models)]
    params, buffers = stack_module_state(models)
    base_model = copy.deepcopy(models[0]).to("meta")

    def fmodel(params, buffers, x):
        return functional_call(base_model, (params, buffers), (x,))

    optimizer = torch.optim.Adam(params.values(), lr=1e-2)
    for step in range(150):
        rows = torch.randint(0, 120, (num_models, 40))  # each member draws its own batch
        predictions = vmap(fmodel)(params, buffers, x[rows])
        losses = (predictions - y[rows]).pow(2).mean(dim=1)
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        if step % 30 == 0:
            print(f"step {step}: best {losses.min().item():.4f} worst {losses.max().item():.4f}")

    with torch.no_grad():
        grid = torch.tensor([[-1.5], [0.0], [1.5], [4.0]])
        spread = vmap(fmodel, in_dims=(0, 0, None))(params, buffers, grid).std(dim=0)
    print("spread at", dict(zip(grid.flatten().tolist(), spread.tolist(), strict=True)))


if __name__ == "__main__":
    main()
