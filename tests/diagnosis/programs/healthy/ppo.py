"""PPO with a Gaussian policy: several epochs of minibatches over each rollout of small worlds."""

import torch
import torch.nn as nn
from torch.distributions import Normal

NUM_ENVS, NUM_STEPS, UPDATE_EPOCHS, NUM_MINIBATCHES = 16, 16, 4, 4
GAMMA, GAE_LAMBDA, CLIP_COEF = 0.95, 0.9, 0.2


def layer_init(layer, std=2**0.5, bias_const=0.0):
    torch.nn.init.orthogonal_(layer.weight, std)
    torch.nn.init.constant_(layer.bias, bias_const)
    return layer


class Agent(nn.Module):
    def __init__(self, obs=2, act=2):
        super().__init__()
        self.critic = nn.Sequential(
            layer_init(nn.Linear(obs, 32)), nn.Tanh(), layer_init(nn.Linear(32, 1), std=1.0)
        )
        self.actor_mean = nn.Sequential(
            layer_init(nn.Linear(obs, 32)), nn.Tanh(), layer_init(nn.Linear(32, act), std=0.01)
        )
        self.actor_logstd = nn.Parameter(torch.full((1, act), -0.5))

    def get_value(self, x):
        return self.critic(x).squeeze(-1)

    def get_action_and_value(self, x, action=None):
        mean = self.actor_mean(x)
        probs = Normal(mean, self.actor_logstd.expand_as(mean).exp())
        if action is None:
            action = probs.sample()
        return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.get_value(x)


def rollout(agent, start):
    """Points that are to move to the origin."""
    obs, actions, logprobs, rewards, values = [], [], [], [], []
    where = start
    with torch.no_grad():
        for _ in range(NUM_STEPS):
            action, logprob, _, value = agent.get_action_and_value(where)
            obs.append(where)
            actions.append(action)
            logprobs.append(logprob)
            values.append(value)
            where = (where + 0.3 * action.clamp(-1, 1)).clamp(-2, 2)
            rewards.append(-where.norm(dim=1))
        advantages, last, following = [], 0.0, agent.get_value(where)
        for reward, value in zip(reversed(rewards), reversed(values), strict=True):
            last = reward + GAMMA * following - value + GAMMA * GAE_LAMBDA * last
            advantages.insert(0, last)
            following = value
    columns = [torch.cat(c) for c in (obs, actions, logprobs, advantages, values)]
    return *columns, torch.stack(rewards).mean().item()


def main():
    torch.manual_seed(1)
    agent = Agent()
    optimizer = torch.optim.Adam(agent.parameters(), lr=5e-3, eps=1e-5)
    for update in range(8):
        optimizer.param_groups[0]["lr"] = (1.0 - update / 8) * 5e-3
        start = 2 * torch.rand(NUM_ENVS, 2) - 1
        b_obs, b_actions, b_logprobs, b_advantages, b_values, reward = rollout(agent, start)
        b_returns = b_advantages + b_values
        for _ in range(UPDATE_EPOCHS):
            for mb in torch.randperm(len(b_obs)).chunk(NUM_MINIBATCHES):
                _, newlogprob, entropy, newvalue = agent.get_action_and_value(
                    b_obs[mb], b_actions[mb]
                )
                ratio = (newlogprob - b_logprobs[mb]).exp()
                mb_advantages = b_advantages[mb]
                mb_advantages = (mb_advantages - mb_advantages.mean()) / (
                    mb_advantages.std() + 1e-8
                )
                pg_loss1 = -mb_advantages * ratio
                pg_loss2 = -mb_advantages * ratio.clamp(1 - CLIP_COEF, 1 + CLIP_COEF)
                pg_loss = torch.max(pg_loss1, pg_loss2).mean()
                v_loss = 0.5 * (newvalue - b_returns[mb]).pow(2).mean()
                loss = pg_loss - 0.001 * entropy.mean() + 0.5 * v_loss
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
        print(f"update {update} reward {reward:.3f} value loss {v_loss.item():.4f}")


if __name__ == "__main__":
    main()
