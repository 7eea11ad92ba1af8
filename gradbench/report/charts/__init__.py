"""One figure each."""
