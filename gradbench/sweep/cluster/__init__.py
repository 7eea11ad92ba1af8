"""The same tasks as jobs elsewhere: Slurm, and the GPUs of this machine."""
