"""A member asks, the bot answers: what is meant for it, what it is shown, and the answer as it grows."""
