"""The options of a group of the configuration, all of them, as objects."""

from __future__ import annotations

from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf

from gradbench.request.schema import configuration_folder, groups


def options(group: str) -> dict[str, Any]:
    """Make the objects of a group of the configuration.

    Args:
        group: ``strategy`` or ``zeroing``, whose files hold a node by name.

    Returns:
        Objects by name, in the order of the file names.
    """
    names = [name for name in groups()[group] if name != "all"]
    files = [configuration_folder() / group / f"{name}.yaml" for name in names]
    nodes: Any = OmegaConf.merge(*map(OmegaConf.load, files))
    return {str(name): instantiate(node) for name, node in nodes.items()}
