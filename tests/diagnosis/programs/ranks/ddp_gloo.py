"""DistributedDataParallel over gloo in two processes of one machine, with a sampler for each."""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

EPOCHS = 5


class ToyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net1 = nn.Linear(10, 24)
        self.relu = nn.ReLU()
        self.net2 = nn.Linear(24, 3)

    def forward(self, x):
        return self.net2(self.relu(self.net1(x)))


def dataset():
    generator = torch.Generator().manual_seed(19)
    label = torch.randint(0, 3, (256,), generator=generator)
    centers = torch.randn(3, 10, generator=generator)
    return TensorDataset(centers[label] + 0.8 * torch.randn(256, 10, generator=generator), label)


def main():
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(0)
    ddp_model = DDP(ToyModel())
    optimizer = torch.optim.SGD(ddp_model.parameters(), lr=0.1, momentum=0.9)
    loss_fn = nn.CrossEntropyLoss()
    data = dataset()
    sampler = DistributedSampler(data, num_replicas=dist.get_world_size(), rank=rank, shuffle=True)
    loader = DataLoader(data, batch_size=16, sampler=sampler)
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        total = torch.zeros(())
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = loss_fn(ddp_model(inputs), labels)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        dist.all_reduce(total)
        if rank == 0:
            print(
                f"epoch {epoch} loss {total.item() / (dist.get_world_size() * len(loader)):.4f}",
                flush=True,
            )
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
