"""Architectures of transformers build from their names, small or under meta."""

import sys
from importlib.util import find_spec

import pytest
import torch

from gradbench.models.base import UnavailableModel, loss, place
from gradbench.models.huggingface import HuggingFace

BERT = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "vocab_size": 500,
}
VIT = {key: value for key, value in BERT.items() if key != "vocab_size"}
SHRUNKEN = {
    "gpt2": {"n_layer": 2, "n_embd": 32, "n_head": 2},
    "bert": BERT,
    "llama": {**BERT, "num_key_value_heads": 1},
    "vit": {**VIT, "image_size": 32, "patch_size": 8},
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "t5": {"num_layers": 2, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_heads": 2},
}
SHAPES = {
    "llama": {"input_ids": (2, 16)},
    "vit": {"pixel_values": (2, 3, 32, 32)},
    "resnet": {"pixel_values": (2, 3, 224, 224)},
    "t5": {"input_ids": (2, 16), "decoder_input_ids": (2, 16)},
}


@pytest.fixture(autouse=True, scope="module")
def _transformers():
    pytest.importorskip("transformers")


@pytest.mark.parametrize("architecture", SHRUNKEN)
def test_gradients_of_shrunken_architectures(architecture, device):
    torch.manual_seed(0)
    module, batch = HuggingFace(architecture, 2, 16, SHRUNKEN[architecture]).build()
    if architecture in SHAPES:
        assert {name: tuple(data.shape) for name, data in batch.items()} == SHAPES[architecture]
    assert not module.training
    assert all(p.dtype == torch.float32 and p.requires_grad for p in module.parameters())

    def gradients(dtype):
        module.zero_grad()
        # TF32 is no float32.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            value = loss(*place(module, batch, device, dtype))
            value.backward()
        assert value.isfinite()
        # A pooler lies behind the hidden state; a bias of keys shifts all scores alike.
        return torch.cat(
            [
                parameter.grad.double().flatten()
                for name, parameter in module.named_parameters()
                if not name.startswith("pooler") and not name.endswith("key.bias")
            ]
        )

    single, double = gradients(torch.float32).clone(), gradients(torch.float64)
    assert double.norm() > 1e-2
    assert (single - double).norm() < 1e-3 * double.norm()
    assert loss(*place(module, batch, device, torch.bfloat16)).isfinite()


@pytest.mark.parametrize("architecture", ["gpt2", "bert", "llama", "vit", "resnet"])
def test_defaults_build_under_meta(architecture):
    with torch.device("meta"):
        module, batch = HuggingFace(architecture, 1, 32).build()
    assert all(tensor.is_meta for tensor in [*module.parameters(), *batch.values()])


def test_output_on_the_terminal_is_clean(capfd):
    with torch.device("meta"):
        HuggingFace("gpt2", 1, 32).build()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("architecture", "config", "message"),
    [
        ("gpt22", {}, r"Unknown architecture: 'gpt22'\. Did you mean gpt2.* There are \d+, such"),
        ("", {}, r"Unknown architecture: ''\. There are \d+, such as gpt2, bert, llama"),
        ("bert", {"hiden_size": 4}, "Unknown option of bert: 'hiden_size'.*mean hidden_size"),
        ("bert", {"hidden_size": "wide"}, "bert cannot be built with the configuration.*wide"),
        ("gpt2", {"n_head": 5}, "gpt2 cannot be built.*divisible"),
        ("gpt2", {"n_positions": 16}, "gpt2 has 16 positions, but sequence_length is 32"),
        ("wav2vec2", {}, "feeds input_ids or pixel_values, but wav2vec2 takes input_values"),
    ],
)
def test_wrong_requests(architecture, config, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message) as caught:
        HuggingFace(architecture, 1, 32, config).build()
    assert "\n" not in str(caught.value)


def test_a_package_that_the_architecture_needs():
    if find_spec("detectron2") is not None:
        pytest.skip("detectron2 is here")
    with torch.device("meta"), pytest.raises(UnavailableModel, match="requires the detectron2"):
        HuggingFace("layoutlmv2", 1, 32).build()


def test_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UnavailableModel, match=r"pip install 'torch-gradbench\[huggingface\]'"):
        HuggingFace("gpt2", 1, 32).build()
