"""How much to order each day: Q-learning for a small store."""

import random

import torch
import torch.nn.functional as F
from torch import nn


class Store:
    """Stock of up to nine pieces; a sale earns, storage and delivery cost."""

    def __init__(self):
        self.stock = 5

    def day(self, order):
        stocked = min(9, self.stock + order)
        demand = random.choice([0, 1, 1, 2, 3])
        sold = min(stocked, demand)
        self.stock = stocked - sold
        return 0.5 * sold - 0.05 * self.stock - (0.2 if order else 0.0)


class ActionValue(nn.Module):
    def __init__(self, orders=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, orders))

    def forward(self, stock):
        return self.layers(F.one_hot(stock, 10).float())


class Buyer:
    def __init__(self, gamma=0.9, lr=3e-3):
        self.value, self.gamma = ActionValue(), gamma
        self.optimizer = torch.optim.Adam(self.value.parameters(), lr=lr)

    @torch.no_grad()
    def order(self, stock, curiosity):
        if random.random() < curiosity:
            return random.randrange(4)
        return int(self.value(torch.tensor(stock)).argmax())

    def goal(self, earned, stock):
        with torch.no_grad():
            return earned + self.gamma * self.value(stock).max(dim=1).values

    def learn(self, days):
        before, order, earned, after = (torch.tensor(each) for each in zip(*days, strict=True))
        expected = self.value(before).gather(1, order[:, None]).squeeze(1)
        loss = F.mse_loss(expected, self.goal(earned, after))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main():
    torch.manual_seed(365)
    random.seed(365)
    store, buyer, book, losses, earnings = Store(), Buyer(), [], [], 0.0
    for day in range(1, 401):
        before = store.stock
        order = buyer.order(before, curiosity=max(0.1, 1 - day / 200))
        earned = store.day(order)
        book.append((before, order, earned, store.stock))
        earnings += earned
        if day >= 40:
            losses.append(buyer.learn(random.sample(book, 32)))
        if day % 80 == 0:
            mean = sum(losses) / len(losses)
            print(f"day {day}: {earnings / 80:.3f} a day, loss {mean:.4f}")
            earnings, losses = 0.0, []


if __name__ == "__main__":
    main()
