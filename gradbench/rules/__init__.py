"""The mathematics of updates."""
