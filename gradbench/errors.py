"""What everything raises: a request that is wrong, results that cannot be stored."""

from __future__ import annotations


class BadRequest(Exception):
    """The request itself is wrong: one message for the person who made it, exit status 2."""


class Unwritable(Exception):
    """Results cannot be stored, for no fault of the request: one message, exit status 1."""
