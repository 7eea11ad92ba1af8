"""lightning.Trainer fits a classifier by automatic and a small GAN by manual optimization."""

import logging
import warnings

import lightning
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LitClassifier(lightning.LightningModule):
    def __init__(self, features=8, classes=3, lr=1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, classes))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self.net(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_acc", (self.net(x).argmax(dim=1) == y).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


class LitGAN(lightning.LightningModule):
    """Learns points on a line; both optimizers are stepped by hand."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
        self.discriminator = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))

    def training_step(self, batch, batch_idx):
        (real,) = batch
        optimizer_g, optimizer_d = self.optimizers()
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)

        self.toggle_optimizer(optimizer_g)
        fake = self.generator(torch.randn_like(real))
        g_loss = F.binary_cross_entropy_with_logits(self.discriminator(fake), ones)
        optimizer_g.zero_grad()
        self.manual_backward(g_loss)
        optimizer_g.step()
        self.untoggle_optimizer(optimizer_g)

        self.toggle_optimizer(optimizer_d)
        real_loss = F.binary_cross_entropy_with_logits(self.discriminator(real), ones)
        fake_loss = F.binary_cross_entropy_with_logits(self.discriminator(fake.detach()), zeros)
        d_loss = (real_loss + fake_loss) / 2
        optimizer_d.zero_grad()
        self.manual_backward(d_loss)
        optimizer_d.step()
        self.untoggle_optimizer(optimizer_d)
        self.log_dict({"g_loss": g_loss, "d_loss": d_loss}, on_step=False, on_epoch=True)

    def configure_optimizers(self):
        return [
            torch.optim.Adam(self.generator.parameters(), lr=5e-3, betas=(0.5, 0.999)),
            torch.optim.Adam(self.discriminator.parameters(), lr=5e-3, betas=(0.5, 0.999)),
        ]


def quiet_trainer(**options):
    return lightning.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def main():
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    lightning.seed_everything(47, verbose=False)
    y = torch.randint(0, 3, (320,))
    x = torch.randn(3, 8)[y] + 0.7 * torch.randn(320, 8)
    train = DataLoader(TensorDataset(x[:256], y[:256]), batch_size=32, shuffle=True)
    held_out = DataLoader(TensorDataset(x[256:], y[256:]), batch_size=32)
    trainer = quiet_trainer(max_epochs=5, accumulate_grad_batches=2, gradient_clip_val=1.0)
    trainer.fit(LitClassifier(), train, held_out)
    print({name: round(value.item(), 4) for name, value in trainer.callback_metrics.items()})

    t = torch.randn(256, 1)
    line = torch.cat([t, 0.5 * t + 1], dim=1) + 0.05 * torch.randn(256, 2)
    trainer, gan = quiet_trainer(max_epochs=16), LitGAN()
    trainer.fit(gan, DataLoader(TensorDataset(line), batch_size=32, shuffle=True))
    print({name: round(value.item(), 4) for name, value in trainer.callback_metrics.items()})
    with torch.no_grad():
        sample = gan.generator(torch.randn(500, 2))
    print(f"mean of what was generated {sample.mean(0).tolist()}")


if __name__ == "__main__":
    main()
