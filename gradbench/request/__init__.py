"""From Hydra's configuration to a block, a task, or one clear message."""
