"""The reader's own model, from a function of theirs."""

import importlib
import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradbench.models.base import Batch


@dataclass(frozen=True)
class Custom:
    """What ``package.module:function`` returns.

    The function takes no arguments and returns ``(module, batch)``: an ``nn.Module``, and a tensor,
    a tuple of tensors or a mapping from keywords to tensors. Modules in the current directory are
    found.

    Args:
        factory: The function, as ``package.module:function``.
    """

    factory: str | None = None

    def build(self) -> tuple[nn.Module, Batch]:
        """Calls the factory, whose tensors are the CPU's unless it says otherwise.

        Returns:
            Its module and batch, unchanged.

        Raises:
            ValueError: There is no such function, or it returns something else.
            RuntimeError: The function raised a ValueError.
        """
        function = self._find()
        # What a user writes knows of no default device, but for one that allocates nothing.
        meta = torch.get_default_device().type == "meta"
        try:
            with nullcontext() if meta else torch.device("cpu"):
                made = function()
        except ValueError as error:  # the model's own, no wrong request
            raise RuntimeError(f"{self.factory} raised ValueError: {error}") from error
        if not isinstance(made, tuple) or len(made) != 2:
            raise self._wrong(f"it returned {_describe(made)}")
        module, batch = made
        if not isinstance(module, nn.Module):
            raise self._wrong(f"its module is {_describe(module)}")
        if not _is_batch(batch):
            raise self._wrong(f"its batch is {_describe(batch)}")
        return module, batch

    def _find(self) -> Any:
        path = self.factory if isinstance(self.factory, str) else ""
        module_name, _, name = path.partition(":")
        # A leading dot would be a relative import, which has nothing to be relative to.
        if not module_name or module_name.startswith(".") or not name.isidentifier():
            raise self._wrong("that is no such path" if path else "none was given")
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            module = importlib.import_module(module_name)
        except Exception as error:
            raise self._wrong(
                f"importing {module_name} raised {type(error).__name__}: {error}"
            ) from error
        if not hasattr(module, name):
            raise self._wrong(f"{module_name} has no {name}")
        function = getattr(module, name)
        if not callable(function):
            raise self._wrong(f"{name} is {_describe(function)}")
        return function

    def _wrong(self, found: str) -> ValueError:
        return ValueError(
            f"model.factory={self.factory}: {found}. Expected package.module:function, a function "
            "that returns (module, batch): an nn.Module, and a tensor, a tuple of tensors or a "
            "mapping from keywords to tensors."
        )


def _is_batch(batch: Any) -> bool:
    if isinstance(batch, Mapping):
        return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in batch.items())
    if isinstance(batch, tuple):
        return all(isinstance(item, Tensor) for item in batch)
    return isinstance(batch, Tensor)


def _describe(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, tuple):
        return f"a tuple ({', '.join(type(item).__name__ for item in value)})"
    return f"a value of type {type(value).__name__}"
