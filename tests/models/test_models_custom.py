"""A factory is found where the reader writes it, and a wrong one is named."""

import sys

import pytest
import torch

from gradbench.models.base import loss
from gradbench.models.custom import Custom

SOURCE = """
import torch
from torch import nn

def tensor(): return nn.Linear(3, 2), torch.ones(1, 3)
def pair(): return nn.Bilinear(3, 3, 2), (torch.ones(1, 3), torch.ones(1, 3))
def mapping(): return nn.Linear(3, 2), {"input": torch.ones(1, 3)}
def nothing(): pass
def single(): return nn.Linear(3, 2)
def swapped(): return torch.ones(1, 3), nn.Linear(3, 2)
def listed(): return nn.Linear(3, 2), [torch.ones(1, 3)]
def numbers(): return nn.Linear(3, 2), (1, 2)
def raising(): raise RuntimeError("mine")
constant = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "custom_models.py").write_text(SOURCE)
    (tmp_path / "custom_broken.py").write_text("import no_such_package")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("custom_models", None)


@pytest.mark.parametrize("name", ["tensor", "pair", "mapping"])
def test_factories_in_the_current_directory(name):
    module, batch = Custom(f"custom_models:{name}").build()
    loss(module, batch).backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_the_path_is_extended_once(tmp_path):
    for _ in range(2):
        Custom("custom_models:tensor").build()
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("factory", "found"),
    [
        (None, "none was given"),
        ("", "none was given"),
        ("custom_models", "that is no such path"),
        ("custom_models:", "that is no such path"),
        (":tensor", "that is no such path"),
        (".custom_models:tensor", "that is no such path"),
        ("custom_models:two words", "that is no such path"),
        ("no_such_module:make", "No module named 'no_such_module'"),
        ("custom_models.py:tensor", "'custom_models' is not a package"),
        ("custom_broken:make", "No module named 'no_such_package'"),
        ("custom_models:missing", "custom_models has no missing"),
        ("custom_models:constant", "constant is a value of type int"),
        ("custom_models:nothing", "it returned None"),
        ("custom_models:single", "it returned a value of type Linear"),
        ("custom_models:swapped", "its module is a value of type Tensor"),
        ("custom_models:listed", "its batch is a value of type list"),
        ("custom_models:numbers", r"its batch is a tuple \(int, int\)"),
    ],
)
def test_wrong_factories(factory, found):
    with pytest.raises(ValueError, match=found) as caught:
        Custom(factory).build()
    message = str(caught.value)
    assert message.startswith(f"model.factory={factory}: ")
    assert "Expected package.module:function" in message
    assert "\n" not in message


def test_an_error_inside_the_factory_is_its_own():
    with pytest.raises(RuntimeError, match="mine"):
        Custom("custom_models:raising").build()
