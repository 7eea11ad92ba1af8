"""Any architecture of Hugging Face transformers, untrained and offline."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from gradbench.models.base import UnavailableModel

IMAGE_SIZE = 224
"""Pixels, for architectures such as ResNet whose configuration names no image size."""

ARCHITECTURES = ("gpt2", "bert", "llama", "vit", "resnet")
OPTIONS = ("num_hidden_layers", "hidden_size", "n_embd", "hidden_sizes", "depths", "vocab_size")
"""What an error message names as examples."""


@dataclass(frozen=True)
class HuggingFace:
    """An architecture by its name in transformers, in ``eval`` mode so that nothing drops out.

    The output is the last hidden state, as of ``AutoModel``. Parameters behind it, such as BERT's
    pooler, get no gradient.

    Args:
        architecture: The model type, such as ``gpt2``, ``bert``, ``llama``, ``vit`` or ``resnet``.
        config: What to change in the architecture's default configuration.
        batch_size: Sequences or images in the batch.
        sequence_length: Tokens in a sequence; images take their size from the configuration.

    Reference:
        https://huggingface.co/docs/transformers/model_doc/auto
    """

    architecture: str
    batch_size: int
    sequence_length: int
    config: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> tuple[nn.Module, dict[str, Tensor]]:
        """Builds the architecture with the library's own random initialisation.

        Returns:
            The module and a batch of its main input: ``input_ids``, int64 of shape (batch_size,
            sequence_length), with ``decoder_input_ids`` alike for an encoder-decoder; or
            ``pixel_values``, float32 of shape (batch_size, channels, height, width).

        Raises:
            UnavailableModel: transformers, or a package that the architecture needs, is missing.
            ValueError: The architecture or an option of its configuration is unknown, a value does
                not fit, the sequence is too long, or the module takes another kind of input.
        """
        try:
            # Here, because importing transformers takes seconds that other models need not wait.
            transformers = import_module("transformers")
            known = import_module("transformers.models.auto.modeling_auto").MODEL_MAPPING_NAMES
        except ImportError as error:
            raise UnavailableModel(
                f"model=huggingface needs transformers ({error}): "
                "pip install 'torch-gradbench[huggingface]'"
            ) from error
        if self.architecture not in known:
            raise _unknown("architecture", self.architecture, known, ARCHITECTURES)
        kind = transformers.CONFIG_MAPPING[self.architecture]
        self._check_options(kind())
        try:
            config = kind(**self.config)
            module = transformers.AutoModel.from_config(config).float().eval()
        except ImportError as error:
            raise UnavailableModel(
                f"{self.architecture} cannot be built here: {_in_one_line(error)}"
            ) from error
        except (MemoryError, RuntimeError):
            raise  # The machine's fault, not the request's.
        except Exception as error:
            raise ValueError(
                f"{self.architecture} cannot be built with the configuration {dict(self.config)}: "
                f"{_in_one_line(error)}"
            ) from error
        return module, self._batch(module, config)

    def _check_options(self, default: Any) -> None:
        # A configuration swallows any keyword: a misspelt one would change nothing.
        options = {*default.to_dict(), *default.attribute_map, "attn_implementation"}
        for option in self.config:
            if option not in options:
                raise _unknown(f"option of {self.architecture}", option, options, OPTIONS)

    def _batch(self, module: Any, config: Any) -> dict[str, Tensor]:
        if module.main_input_name == "pixel_values":
            size: Any = getattr(config, "image_size", None) or IMAGE_SIZE
            height, width = (size, size) if isinstance(size, int) else size
            images = torch.randn(self.batch_size, config.num_channels, height, width)
            return {"pixel_values": images}
        if module.main_input_name == "input_ids":
            text = config.get_text_config()
            limit = getattr(text, "max_position_embeddings", None)
            if isinstance(limit, int) and 0 < limit < self.sequence_length:
                raise ValueError(
                    f"{self.architecture} has {limit} positions, but sequence_length is "
                    f"{self.sequence_length}; shorten it, or set +model.config."
                    "max_position_embeddings."
                )
            names = ["input_ids", "decoder_input_ids"][: 1 + config.is_encoder_decoder]
            shape = (self.batch_size, self.sequence_length)
            return {name: torch.randint(text.vocab_size, shape) for name in names}
        raise ValueError(
            f"model=huggingface feeds input_ids or pixel_values, but {self.architecture} takes "
            f"{module.main_input_name}; write a factory for it and use model=custom."
        )


def _unknown(what: str, name: str, choices: Iterable[str], examples: Iterable[str]) -> ValueError:
    names = sorted(choices)
    close = get_close_matches(name, names)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    known = ", ".join(example for example in examples if example in names)
    return ValueError(f"Unknown {what}: {name!r}. {hint}There are {len(names)}, such as {known}.")


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
