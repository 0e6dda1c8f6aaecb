"""/pairs: what the bot learns from, and the quarantine."""
