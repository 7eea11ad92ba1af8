"""Cost models: what an update would take that was never measured."""
