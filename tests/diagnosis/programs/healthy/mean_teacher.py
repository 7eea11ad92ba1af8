"""Mean Teacher: teacher is a deep copy, moved by .data.mul_().add_(), consistency on unlabelled data."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(3)
student = nn.Sequential(
    nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 3)
)
teacher = copy.deepcopy(student)


def update_ema_variables(model, ema_model, alpha, global_step):
    alpha = min(1 - 1 / (global_step + 1), alpha)
    for ema_param, param in zip(ema_model.parameters(), model.parameters()):
        ema_param.data.mul_(alpha).add_(param.data, alpha=1 - alpha)
    for ema_buf, buf in zip(ema_model.buffers(), model.buffers()):
        ema_buf.copy_(buf)


optimizer = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9, nesterov=True)
w = torch.randn(8, 3)
x_l, x_u = torch.randn(32, 8), torch.randn(96, 8)
y_l = (x_l @ w).argmax(1)
first = None
for step in range(20):
    student.train()
    teacher.train()
    noisy = x_u + 0.1 * torch.randn_like(x_u)
    logits = student(x_l)
    logits_u = student(noisy)
    with torch.no_grad():
        target = F.softmax(teacher(x_u + 0.1 * torch.randn_like(x_u)), 1)
    rampup = min(1.0, step / 10)
    supervised = F.cross_entropy(logits, y_l)
    loss = supervised + rampup * F.mse_loss(F.softmax(logits_u, 1), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    update_ema_variables(student, teacher, 0.95, step)
    first = first or supervised.item()
teacher.eval()
with torch.no_grad():
    print(first, supervised.item(), (teacher(x_l).argmax(1) == y_l).float().mean().item())
assert supervised.item() < 0.6 * first
