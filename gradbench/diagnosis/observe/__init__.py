"""What a program does, seen by modes and hooks of PyTorch; knows nothing of faults."""
