"""The nightly training run and its schedule. Knows nothing of Discord."""
