"""Which new pairs stand out, and why."""
