"""Is it right: a rule's float64 reference, a model's float64 run, ulps, gradients."""
