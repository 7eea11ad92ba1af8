"""What `experiment=parity` stands on: every optimizer of torch.optim against its for-loop."""
