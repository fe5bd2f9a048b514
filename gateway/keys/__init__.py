"""API keys: what a caller outside may do; a key is shown once and kept as a keyed hash."""
