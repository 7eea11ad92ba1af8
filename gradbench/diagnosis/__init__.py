"""Why a gradient is None, zero, stale or wrong in a person's own program, with file and line."""
