"""An experiment as an object: the files that ask one question, loaded by path."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import torch

from gradbench.errors import BadRequest
from gradbench.observing.observation import Observation
from gradbench.request.schema import experiments_folder

Observe = Callable[..., Iterator[Observation]]


class Experiment:
    """The function ``observe`` of one file, or of every file of a folder.

    Files are loaded by their path, so that a folder ``experiments/`` in the working directory
    cannot take their place.

    Args:
        file: A file, or a folder of files taken in sorted order; relative to ``experiments/``.
        options: Given to every ``observe`` as keyword arguments.

    Raises:
        ValueError: There is no such file.
    """

    def __init__(self, file: str, **options: object) -> None:
        path = experiments_folder() / file
        self.files = [path] if path.is_file() else sorted(path.glob("*.py"))
        if not self.files:
            raise ValueError(f"no experiment at {path}: give a .py file or a folder of them")
        self._options = options

    def observe(self, file: Path, device: torch.device) -> Iterator[Observation]:
        """See what there is to see with one file, on a device.

        Args:
            file: One of ``files``.
            device: Where.

        Yields:
            Each observation as it is made.

        Raises:
            BadRequest: ``observe`` of the file does not take the options.
            Exception: Whatever the file raises.
        """
        observe = _observe_of(file)
        taken = list(inspect.signature(observe).parameters)[1:]
        unknown = sorted(set(self._options) - set(taken))
        if unknown:
            choices = f"choose from {', '.join(taken)}" if taken else "it takes none"
            raise BadRequest(f"{file.name} has no option {', '.join(unknown)}: {choices}")
        torch.manual_seed(0)
        yield from observe(device, **self._options)


def load_file(file: Path) -> ModuleType:
    """Import a file by its path, under a name that nothing else has.

    Args:
        file: A Python file.

    Returns:
        The module, loaded anew.

    Raises:
        Exception: Whatever the file raises.
    """
    name = f"gradbench_experiment_{file.parent.name}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and torch.compile look their module up there
    spec.loader.exec_module(module)
    return module


def _observe_of(file: Path) -> Observe:
    observe: Observe | None = getattr(load_file(file), "observe", None)
    if observe is None:
        raise AttributeError(f"{file} has no function observe(device)")
    return observe
