"""How fast: samples in rounds, isolated and in training, hot and cold, and the controls."""
