"""What the nights of `python -m benchmarks.nights` are made of: conversations, homes, studies and their summary."""
