"""The version of gradbench."""

__version__ = "0.1.0"
