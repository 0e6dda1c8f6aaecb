"""/pairs: what the bot learns from, and what a night set aside."""
