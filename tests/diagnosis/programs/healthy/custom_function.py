"""Autograd functions with backward passes of their own: a polynomial and a linear layer."""

import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class LegendrePolynomial3(Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


class LinearFunction(Function):
    @staticmethod
    def forward(ctx, input, weight, bias):
        ctx.save_for_backward(input, weight)
        return input.mm(weight.t()) + bias

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class Linear(nn.Module):
    def __init__(self, input_features, output_features):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(output_features, input_features))
        self.bias = nn.Parameter(torch.empty(output_features))
        nn.init.uniform_(self.weight, -0.3, 0.3)
        nn.init.uniform_(self.bias, -0.3, 0.3)

    def forward(self, input):
        return LinearFunction.apply(input, self.weight, self.bias)


class PolynomialNet(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.first, self.second = Linear(2, width), Linear(width, 1)

    def forward(self, x):
        return self.second(LegendrePolynomial3.apply(self.first(x))).squeeze(1)


def main():
    torch.manual_seed(84)
    point = torch.rand(4, 2, dtype=torch.double, requires_grad=True)
    print("gradcheck:", torch.autograd.gradcheck(LegendrePolynomial3.apply, (point,)))
    x = 2 * torch.rand(256, 2) - 1
    y = x[:, 0] ** 3 - x[:, 0] * x[:, 1] ** 2
    model = PolynomialNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(16):
        total = 0.0
        for rows in torch.randperm(256).split(32):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 5 == 0:
            print(f"epoch {epoch} loss {total / 8:.5f}")


if __name__ == "__main__":
    main()
