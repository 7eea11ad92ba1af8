"""Callbacks, in the trainers that they are for."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch import Trainer as LightningTrainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import Trainer, TrainingArguments

import gradbench
from gradbench.diagnosis.api import FindingsError
from gradbench.diagnosis.lightning import DiagnosisCallback as LightningCallback
from gradbench.diagnosis.transformers import DiagnosisCallback
from gradbench.errors import BadRequest


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "transformers")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    yield
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


class Net(nn.Module):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.encoder, self.head = nn.Linear(3, 2), nn.Linear(2, 1)
        self.fault = fault

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        hidden = self.encoder(x)
        if self.fault == "cut":
            hidden = hidden.detach()
        if self.fault == "fail":
            torch.zeros(3).sum().backward()
        return {"loss": (self.head(hidden) - labels).square().mean()}


class Lit(LightningModule):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.net = Net(fault)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.net(*batch)["loss"]  # type: ignore[no-any-return]

    def configure_optimizers(self) -> object:
        optimizer = torch.optim.Adam(self.parameters(), lr=1e-2)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


def fit(callback: LightningCallback, fault: str) -> None:
    trainer = LightningTrainer(
        max_steps=3,
        callbacks=[callback],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Lit(fault), DataLoader(TensorDataset(torch.randn(16, 3), torch.randn(16, 1)), 4))


def train(callback: DiagnosisCallback, fault: str, folder: Path) -> Trainer:
    arguments = TrainingArguments(
        str(folder),
        max_steps=3,
        per_device_train_batch_size=4,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
        logging_strategy="no",
        dataloader_pin_memory=False,
    )
    data = [{"x": torch.randn(3), "labels": torch.randn(1)} for _ in range(16)]
    trainer = Trainer(Net(fault), arguments, train_dataset=data, callbacks=[callback])
    trainer.train()
    return trainer


@pytest.mark.filterwarnings("ignore")
def test_lightnings_fit_is_watched(capsys: pytest.CaptureFixture[str]) -> None:
    callback = LightningCallback("warning")
    fit(callback, "")
    assert (
        "nothing found: watched 3 updates of 4 parameters by 1 optimizer" in capsys.readouterr().err
    )
    with pytest.raises(FindingsError, match="GB101"):
        fit(callback, "cut")
    capsys.readouterr()
    with pytest.raises(RuntimeError, match="does not require grad"):
        fit(callback, "fail")
    assert "RuntimeError" not in capsys.readouterr().out
    assert callback.diagnosis is not None
    assert callback.diagnosis.timeline.events[-2].name == "RuntimeError"
    callback = LightningCallback(only=["GB101"])
    fit(callback, "cut")
    assert "error GB101" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_transformers_train_is_watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callback = DiagnosisCallback("warning")
    trainer = train(callback, "", tmp_path)
    assert "training_step" not in vars(trainer)
    assert (
        "nothing found: watched 3 updates of 4 parameters by 1 optimizer" in capsys.readouterr().err
    )
    with pytest.raises(FindingsError, match="GB101"):
        train(callback, "cut", tmp_path)
    with pytest.raises(RuntimeError, match="does not require grad"):
        train(callback, "fail", tmp_path)
    assert callback.diagnosis is not None
    assert callback.diagnosis.timeline.events[-2].name == "RuntimeError"
    with gradbench.diagnose():  # nothing is watched any more
        pass
    callback = DiagnosisCallback(only=["GB101"])
    capsys.readouterr()
    train(callback, "cut", tmp_path)
    assert "error GB101" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [LightningCallback, DiagnosisCallback])
def test_a_wrong_level_or_check_is_refused(
    kind: type[LightningCallback] | type[DiagnosisCallback],
) -> None:
    with pytest.raises(BadRequest, match="choose from error, warning"):
        kind("note")
    with pytest.raises(BadRequest, match="no check GB999"):
        kind(only=["GB999"])
