"""What `diagnose` costs: wall time and memory of whole programs, watched over bare, interleaved."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPEATS = 5

GPT2 = """
import torch
from transformers import GPT2Config, GPT2LMHeadModel


def main(steps=8):
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for step in range(steps):
        tokens = torch.randint(0, 50257, (4, 64))
        loss = model(input_ids=tokens, labels=tokens).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(step, loss.item())


if __name__ == "__main__":
    main()
"""

MLP = """
import torch
from torch import nn


def main(steps=8):
    torch.manual_seed(0)
    layers = [each for _ in range(100) for each in (nn.Linear(64, 64), nn.ReLU())]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = torch.randn(64, 64), torch.randn(64, 64)
    for step in range(steps):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(step, loss.item())


if __name__ == "__main__":
    main()
"""

_MEASURED = """
import json, os, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps({"status": done.returncode, "s": seconds, "bytes": peak,
                  "said": done.stderr[-500:]}))
"""


def measure(*command: str) -> dict[str, Any]:
    """Run a command in a process of its own; return its wall time and peak memory."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, sys.executable, *command],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["status"] == 0, seen
    return seen


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("name", "program", "most"), [("gpt2", GPT2, 2.0), ("mlp", MLP, 3.0)], ids=["gpt2", "mlp"]
)
def test_cost(name: str, program: str, most: float, tmp_path: Path, benchmark: Any) -> None:
    if name == "gpt2":
        pytest.importorskip("transformers")
    script = tmp_path / f"{name}.py"
    script.write_text(program, encoding="utf-8")
    plain, watched = [], []
    for _ in range(REPEATS):
        plain.append(measure(str(script)))
        watched.append(measure("-m", "gradbench", "diagnose", str(script)))
    ratio = statistics.median(each["s"] for each in watched) / statistics.median(
        each["s"] for each in plain
    )
    memory = [statistics.median(each["bytes"] for each in runs) for runs in (plain, watched)]
    seen = {
        "plain_s": [round(each["s"], 3) for each in plain],
        "watched_s": [round(each["s"], 3) for each in watched],
        "ratio": round(ratio, 3),
        "plain_bytes": memory[0],
        "watched_bytes": memory[1],
        "memory_ratio": round(memory[1] / memory[0], 3),
    }
    print(name, seen)
    benchmark.extra_info.update(seen)
    benchmark.pedantic(lambda: None, rounds=1)
    assert ratio <= most
    assert memory[1] <= 1.2 * memory[0] + 50e6
