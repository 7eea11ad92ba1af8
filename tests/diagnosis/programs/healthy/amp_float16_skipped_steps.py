"""Mixed precision in float16: the scaler starts too high, so that it skips the first steps."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(14)
centers = 0.8 * torch.randn(6, 16)
labels = torch.randint(0, 6, (384,))
readings = centers[labels] + torch.randn(384, 16)
loader = DataLoader(TensorDataset(readings, labels), batch_size=48, shuffle=True)

model = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 6))
criterion = nn.CrossEntropyLoss(reduction="sum")
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=500)
skipped = 0
for epoch in range(8):
    total = 0.0
    for inputs, targets in loader:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.float16):
            loss = criterion(model(inputs), targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        before = scaler.get_scale()
        scaler.update()
        skipped += int(scaler.get_scale() < before)
        total += loss.item()
    scale = int(scaler.get_scale())
    print(f"epoch {epoch}: loss {total / 384:.4f}, {skipped} steps skipped, scale {scale}")
