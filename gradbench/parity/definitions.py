"""The algorithms as torch.optim documents them, one function each, apart from its code.

The float64 for-loop is the truth about every other implementation; these say whether the for-loop
itself is right. A function has the name of its optimizer in lower case and computes one update of
one real tensor: ``o`` are the options by name, ``t`` is the count from 1, ``s`` the state, which
starts empty and is replaced by torch.optim's own names. LBFGS has none: it is a search.

Source: the algorithms of https://docs.pytorch.org/docs/stable/optim.html, and ASGD from Polyak and
Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

Options = dict[str, Any]
State = dict[str, Any]


def sgd(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Stochastic gradient descent; the first momentum is the gradient, not dampened."""
    g = _decayed(o, p, g)
    if o["momentum"]:
        old = s.get("momentum_buffer")
        s["momentum_buffer"] = g if old is None else o["momentum"] * old + (1 - o["dampening"]) * g
        g = g + o["momentum"] * s["momentum_buffer"] if o["nesterov"] else s["momentum_buffer"]
    return p - o["lr"] * g


def adam(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Adam, and with ``decoupled_weight_decay`` AdamW."""
    p, g = _coupled_or_not(o, p, g)
    m, v = _moments(o, g, s)
    first, second = 1 - o["betas"][0] ** t, 1 - o["betas"][1] ** t
    if o["amsgrad"]:
        v = s["max_exp_avg_sq"] = torch.maximum(s.get("max_exp_avg_sq", torch.zeros_like(v)), v)
    return p - o["lr"] * (m / first) / ((v / second).sqrt() + o["eps"])


def adamw(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Adam with decoupled weight decay."""
    return adam({**o, "decoupled_weight_decay": True}, t, p, g, s)


def sparseadam(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Adam with ε before the bias correction, where the gradient has entries."""
    m, v = _moments(o, _signed(o, g), s)
    first, second = 1 - o["betas"][0] ** t, 1 - o["betas"][1] ** t
    return p - o["lr"] * math.sqrt(second) / first * m / (v.sqrt() + o["eps"])


def nadam(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Adam with Nesterov momentum."""
    p, g = _coupled_or_not(o, p, g)
    m, v = _moments(o, g, s)
    mu, following = (
        o["betas"][0] * (1 - 0.96 ** (i * o["momentum_decay"]) / 2) for i in (t, t + 1)
    )
    product = s["mu_product"] = s.get("mu_product", torch.ones((), dtype=p.dtype)) * mu
    m = following * m / (1 - product * following) + (1 - mu) * g / (1 - product)
    return p - o["lr"] * m / ((v / (1 - o["betas"][1] ** t)).sqrt() + o["eps"])


def radam(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Adam, rectified once ρ > 5."""
    p, g = _coupled_or_not(o, p, g)
    m, v = _moments(o, g, s)
    m, second = m / (1 - o["betas"][0] ** t), 1 - o["betas"][1] ** t
    most = 2 / (1 - o["betas"][1]) - 1
    rho = most - 2 * t * o["betas"][1] ** t / second
    if rho > 5:
        rectified = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
        m = m * math.sqrt(rectified) * math.sqrt(second) / (v.sqrt() + o["eps"])
    return p - o["lr"] * m


def adamax(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Adam with the infinity norm."""
    g = _decayed(o, p, g)
    one, two = o["betas"]
    m = s["exp_avg"] = one * s.get("exp_avg", torch.zeros_like(p)) + (1 - one) * g
    u = s["exp_inf"] = torch.maximum(
        two * s.get("exp_inf", torch.zeros_like(p)), g.abs() + o["eps"]
    )
    return p - o["lr"] / (1 - one**t) * m / u


def adagrad(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """A rate for each element, from the sum of its squared gradients."""
    g = _decayed(o, p, g)
    start = torch.full_like(p, o["initial_accumulator_value"])
    total = s["sum"] = s.get("sum", start) + g * g
    return p - o["lr"] / (1 + (t - 1) * o["lr_decay"]) * g / (total.sqrt() + o["eps"])


def adadelta(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Steps in the unit of the parameter."""
    g, rho = _decayed(o, p, g), o["rho"]
    v = s["square_avg"] = rho * s.get("square_avg", torch.zeros_like(p)) + (1 - rho) * g * g
    u = s.get("acc_delta", torch.zeros_like(p))
    change = (u + o["eps"]).sqrt() / (v + o["eps"]).sqrt() * g
    s["acc_delta"] = rho * u + (1 - rho) * change * change
    return p - o["lr"] * change


def rmsprop(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """The gradient over the root of its mean square."""
    g, alpha = _decayed(o, p, g), o["alpha"]
    v = s["square_avg"] = alpha * s.get("square_avg", torch.zeros_like(p)) + (1 - alpha) * g * g
    if o["centered"]:
        mean = s["grad_avg"] = alpha * s.get("grad_avg", torch.zeros_like(p)) + (1 - alpha) * g
        v = v - mean * mean
    step = g / (v.sqrt() + o["eps"])
    if o["momentum"] > 0:
        step = s["momentum_buffer"] = o["momentum"] * s.get("momentum_buffer", 0) + step
    return p - o["lr"] * step


def rprop(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Steps that grow while the sign stays and shrink when it changes; then none is taken."""
    g, (smaller, larger) = _signed(o, g), o["etas"]
    same = g * s.get("prev", torch.zeros_like(p))
    factor = torch.ones_like(p).masked_fill(same > 0, larger).masked_fill(same < 0, smaller)
    size = s.get("step_size", torch.full_like(p, o["lr"])) * factor
    s["step_size"] = size.clamp(*o["step_sizes"])
    s["prev"] = torch.where(same < 0, 0.0, g)
    return p - s["prev"].sign() * s["step_size"]


def asgd(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Gradient descent with an average of the parameters beside it."""
    g = _decayed(o, p, g)
    eta = s["eta"] if "eta" in s else o["lr"]
    mu: float = s.get("mu", 1.0)
    p = p * (1 - o["lambd"] * eta) - eta * g
    average = s.get("ax", torch.zeros_like(p))
    s["ax"] = average + mu * (p - average)
    s["eta"] = o["lr"] / (1 + o["lambd"] * o["lr"] * t) ** o["alpha"]
    s["mu"] = 1 / max(1, t - o["t0"])
    return p


def adafactor(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Second moments of rows and columns in place of one for each element."""
    g, (one, two), new = _signed(o, g), o["eps"], t ** o["beta2_decay"]
    rate = max(two, float(p.norm()) / math.sqrt(p.numel())) * min(o["lr"], 1 / math.sqrt(t))
    p = p * (1 - o["lr"] * o["weight_decay"])
    if g.dim() > 1:
        rows, columns = (
            s.get(name, 0) * (1 - new) + new * (g * g).mean(dim, keepdim=True)
            for name, dim in (("row_var", -1), ("col_var", -2))
        )
        s["row_var"], s["col_var"] = rows, columns
        v = rows @ columns / rows.mean(-2, keepdim=True).clamp(min=one)
    else:
        v = s["variance"] = s.get("variance", 0) * (1 - new) + new * g * g
    update = g / v.clamp(min=one**2).sqrt()
    size = float(update.norm()) / math.sqrt(update.numel())
    return p - rate / max(1.0, size / o["d"]) * update


def muon(o: Options, t: int, p: Tensor, g: Tensor, s: State) -> Tensor:
    """Momentum, made orthogonal in bfloat16 by a polynomial of its Gram matrix."""
    mean = s.get("momentum_buffer", torch.zeros_like(p))
    mean = s["momentum_buffer"] = o["momentum"] * mean + (1 - o["momentum"]) * g
    update = (1 - o["momentum"]) * g + o["momentum"] * mean if o["nesterov"] else mean
    rows, columns = p.shape
    (a, b, c), x = o["ns_coefficients"], update.bfloat16()
    x = x.T if rows > columns else x
    x = x / x.norm().clamp(min=o["eps"])
    for _ in range(o["ns_steps"]):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    x = (x.T if rows > columns else x).to(p.dtype)
    larger = 0.2 * math.sqrt(max(rows, columns))
    ratio = larger if o["adjust_lr_fn"] == "match_rms_adamw" else math.sqrt(max(1, rows / columns))
    return p * (1 - o["lr"] * o["weight_decay"]) - o["lr"] * ratio * x


def _signed(o: Options, g: Tensor) -> Tensor:
    return -g if o.get("maximize") else g


def _decayed(o: Options, p: Tensor, g: Tensor) -> Tensor:
    return _signed(o, g) + o["weight_decay"] * p if o["weight_decay"] else _signed(o, g)


def _coupled_or_not(o: Options, p: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    if o["decoupled_weight_decay"]:
        return p * (1 - o["lr"] * o["weight_decay"]), _signed(o, g)
    return p, _decayed(o, p, g)


def _moments(o: Options, g: Tensor, s: State) -> tuple[Tensor, Tensor]:
    one, two = o["betas"]
    s["exp_avg"] = one * s.get("exp_avg", torch.zeros_like(g)) + (1 - one) * g
    s["exp_avg_sq"] = two * s.get("exp_avg_sq", torch.zeros_like(g)) + (1 - two) * g * g
    return s["exp_avg"], s["exp_avg_sq"]
