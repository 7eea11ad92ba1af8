"""Every model of conf/model keeps the contract of gradbench.models.base."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from gradbench.models.base import Batch, Model, loss, place
from tests.conftest import CPU

CONF = Path(__file__).resolve().parents[2] / "conf" / "model"
STEMS = sorted(path.stem for path in CONF.glob("*.yaml"))
SMALL_GPT2 = {"n_layer": 2, "n_embd": 64, "n_head": 2, "n_positions": 64}
OVERRIDES: dict[str, dict[str, Any]] = {
    "custom": {"factory": f"{__name__}:make"},
    "huggingface": {"architecture": "gpt2", "config": SMALL_GPT2},
    "lora": {"base": {"vocabulary": 512, "width": 64, "layers": 2, "heads": 2}},
}
ONCE_ONLY = 50_000_000  # parameters; a larger model is built and run once


def make() -> tuple[nn.Module, Tensor]:
    return nn.Linear(3, 2), torch.randn(4, 3)


def configure(stem: str, overrides: dict[str, Any]) -> dict[str, Any]:
    # Nested, as Hydra composes it, so that relative interpolations are put to the test.
    config = OmegaConf.merge({"model": OmegaConf.load(CONF / f"{stem}.yaml")}, {"model": overrides})
    container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return container["model"]


def recipe(stem: str, overrides: dict[str, Any] | None = None) -> Model:
    if stem == "huggingface":
        pytest.importorskip("transformers")
    options = configure(stem, OVERRIDES.get(stem, {}) if overrides is None else overrides)
    del options["name"]
    return instantiate(options)


def build(model: Model, seed: int = 0) -> tuple[nn.Module, Batch]:
    torch.manual_seed(seed)
    return model.build()


def tensors(batch: Batch) -> list[Tensor]:
    if isinstance(batch, Tensor):
        return [batch]
    return list(batch) if isinstance(batch, tuple) else list(batch.values())


def descend(module: nn.Module, batch: Batch) -> Tensor:
    """Run forward and backward; on CUDA without TF32, which is no float32, and always alike."""
    flags = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    with flags:
        value = loss(module, batch)
        value.backward()
    return value


def gradients(module: nn.Module) -> dict[str, Tensor]:
    named = {n: p.grad for n, p in module.named_parameters() if p.requires_grad}
    assert [name for name, gradient in named.items() if gradient is None] == []
    return named


class Built(NamedTuple):
    model: Model
    kinds: set[tuple[torch.device, torch.dtype]]
    device: torch.device
    module: nn.Module
    batch: Batch
    value: Tensor
    gradients: dict[str, Tensor]


@pytest.fixture(scope="module", params=STEMS)
def built(request, device):
    model = recipe(request.param)
    module, batch = build(model)
    kinds = {(tensor.device, tensor.dtype) for tensor in [*module.parameters(), *tensors(batch)]}
    module, batch = place(module, batch, device, torch.float32)
    value = descend(module, batch)
    return Built(model, kinds, device, module, batch, value.detach(), gradients(module))


@pytest.fixture
def small(built):
    if sum(parameter.numel() for parameter in built.module.parameters()) > ONCE_ONLY:
        pytest.skip("too large to build more than once")
    return built


@pytest.mark.parametrize("stem", STEMS)
def test_name_comes_first_and_is_the_stem(stem):
    options = configure(stem, OVERRIDES.get(stem, {}))
    expected = {"huggingface": "huggingface_gpt2", "custom": f"{__name__}:make"}.get(stem, stem)
    assert list(options)[:2] == ["name", "_target_"]
    assert options["name"] == expected


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem != "custom"])
def test_meta_build_counts_what_the_comment_says(stem):
    with torch.device("meta"):
        module, batch = recipe(stem, {}).build()
    parameters = list(module.parameters())
    comment = (CONF / f"{stem}.yaml").read_text().splitlines()[0]
    stated = re.search(r"([\d,]+) parameters in ([\d,]+) tensors", comment)
    assert stated, comment
    assert [int(number.replace(",", "")) for number in stated.groups()] == [
        sum(parameter.numel() for parameter in parameters),
        len(parameters),
    ]
    assert all(tensor.is_meta for tensor in [*parameters, *tensors(batch)])


def test_builds_in_float32_on_cpu(built):
    assert built.kinds <= {(CPU, torch.float32), (CPU, torch.int64)}


def test_everything_trains_but_what_an_adapter_stands_beside(built):
    trains = {n: p.requires_grad for n, p in built.module.named_parameters()}
    if any("linear" in name for name in trains):
        assert {n for n, trained in trains.items() if trained} == {
            name for name in trains if name.endswith((".a", ".b"))
        }
    else:
        assert all(trains.values())


def test_loss_is_a_finite_scalar(built):
    assert built.value.shape == ()
    assert built.value.isfinite()


def test_gradients_are_finite_and_of_a_healthy_size(built):
    for name, gradient in built.gradients.items():
        assert gradient.isfinite().all(), name
        assert 1e-4 < gradient.norm() < 100, name


def test_running_twice_gives_the_same_gradients(small):
    module, batch = place(*build(small.model), small.device, torch.float32)
    for _ in range(2):
        module.zero_grad()
        assert torch.equal(descend(module, batch), small.value)
    for name, gradient in gradients(module).items():
        torch.testing.assert_close(gradient, small.gradients[name], rtol=1e-5, atol=1e-7, msg=name)


def test_float64_agrees_with_float32(small):
    module, batch = place(*build(small.model), small.device, torch.float64)
    value = descend(module, batch)
    assert value.dtype == torch.float64
    for name, gradient in gradients(module).items():
        error = (gradient - small.gradients[name]).norm() / gradient.norm()
        assert error < 1e-3, name


def test_bfloat16_runs(small):
    module, batch = place(*build(small.model), small.device, torch.bfloat16)
    value = descend(module, batch)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.detach(), small.value, rtol=0.05, atol=0.05)
    assert all(gradient.isfinite().all() for gradient in gradients(module).values())


def test_the_seed_fixes_every_bit(small):
    module, batch = build(small.model)
    twin, twin_batch = build(small.model)
    other, _ = build(small.model, seed=1)
    assert all(map(torch.equal, module.state_dict().values(), twin.state_dict().values()))
    assert all(map(torch.equal, tensors(batch), tensors(twin_batch)))
    assert not all(map(torch.equal, module.parameters(), other.parameters()))


def test_gpt2_is_the_published_architecture():
    with torch.device("meta"):
        ours, _ = recipe("gpt2").build()
        theirs, _ = recipe("huggingface", {}).build()
    # Theirs are transposed.
    shapes = [sorted(sorted(p.shape) for p in module.parameters()) for module in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("stem", "overrides", "message"),
    [
        ("mlp_deep", {"in_features": 8}, "in_features equal to width, got 8 and 16"),
        ("convnet", {"channels": [64, 100]}, r"multiples of 8, got \[64, 100\]"),
        ("convnet", {"channels": []}, r"multiples of 8, got \[\]"),
        ("transformer", {"heads": 3}, "heads that divide width, got 3 and 128"),
        ("lora", {"rank": 0}, "model.rank=0: choose a number from 1"),
        ("lora", {"rank": "many"}, "model.rank=many: choose a number from 1"),
        ("transformer", {"sequence_length": 65}, "at most context, got 65 and 64"),
    ],
)
def test_sizes_that_do_not_fit_each_other(stem, overrides, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        recipe(stem, overrides).build()
