"""English: the texts as they are written first."""
