"""ReLoRA: low-rank parts are merged into the frozen weight every few steps, re-initialised, optimizer state pruned; evaluation merged."""

import math

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(31)


class LoRALinear(nn.Linear):
    def __init__(self, i, o, r=2):
        super().__init__(i, o)
        self.weight.requires_grad = False
        self.lora_A, self.lora_B = nn.Parameter(torch.empty(r, i)), nn.Parameter(torch.zeros(o, r))
        self.scaling, self.merged = 2.0, False
        self.reset()

    def reset(self):
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B)

    def train(self, mode=True):
        super().train(mode)
        if mode and self.merged:
            self.weight.data -= (self.lora_B @ self.lora_A).data * self.scaling
            self.merged = False
        elif not mode and not self.merged:
            self.weight.data += (self.lora_B @ self.lora_A).data * self.scaling
            self.merged = True
        return self

    def forward(self, x):
        y = F.linear(x, self.weight, self.bias)
        return y if self.merged else y + (x @ self.lora_A.T @ self.lora_B.T) * self.scaling

    @torch.no_grad()
    def merge_and_reinit(self):
        self.weight.data += self.lora_B @ self.lora_A * self.scaling
        self.reset()


net = nn.Sequential(LoRALinear(8, 32), nn.ReLU(), LoRALinear(32, 4))
trainable = [p for p in net.parameters() if p.requires_grad]
opt = torch.optim.AdamW(trainable, lr=1e-2)
x = torch.randn(128, 8)
y = torch.tanh(x @ torch.randn(8, 4))
evals = []
for step in range(40):
    net.train()
    loss = F.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 9:
        for m in net:
            if isinstance(m, LoRALinear):
                m.merge_and_reinit()
                for p in (m.lora_A, m.lora_B):
                    for key in ("exp_avg", "exp_avg_sq"):
                        opt.state[p][key].zero_()
    if step % 4 == 0:
        net.eval()
        with torch.no_grad():
            evals.append(F.mse_loss(net(x), y).item())
print(evals[0], evals[-1])
assert evals[-1] < 0.6 * evals[0]
