"""One Discord server: its settings, its setup, who moderates it."""
