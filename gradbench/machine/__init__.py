"""What it ran on, and with whom: GPUs, contention, occupancy, the lock of a device."""
