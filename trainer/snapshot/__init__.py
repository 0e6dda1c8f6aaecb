"""Which pairs a run learns from, and which it is judged by."""
