"""The Trainer of transformers fits a tiny GPT-2 with random weights to sequences that count."""

import tempfile

import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed


class Counting(Dataset):
    """Sequences that count on by one or two, modulo the size of the vocabulary."""

    def __init__(self, n, length, vocab):
        first, step = torch.randint(0, vocab, (n, 1)), torch.randint(1, 3, (n, 1))
        self.ids = (first + step * torch.arange(length)) % vocab

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        return {"input_ids": self.ids[index], "labels": self.ids[index]}


def main():
    set_seed(41)
    config = GPT2Config(
        vocab_size=16,
        n_positions=12,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    train, held_out = Counting(160, 12, 16), Counting(32, 12, 16)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=10,
            gradient_accumulation_steps=2,
            num_train_epochs=5,
            learning_rate=8e-3,
            warmup_steps=4,
            lr_scheduler_type="cosine",
            max_grad_norm=1.0,
            logging_steps=8,
            eval_strategy="epoch",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            seed=41,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=train, eval_dataset=held_out)
        result = trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    print(f"{result.global_step} steps, first loss {losses[0]}, last {losses[-1]}")


if __name__ == "__main__":
    main()
