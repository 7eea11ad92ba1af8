"""Parameters with a forward pass and a batch."""
