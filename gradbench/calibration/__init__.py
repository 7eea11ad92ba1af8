"""How far to trust the intervals of a machine: one block measured again and again, and judged."""
