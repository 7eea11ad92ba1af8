"""Clock, synchronisation and memory counter of a CPU or a GPU."""
