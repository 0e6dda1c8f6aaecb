"""What moderators do on Discord: review, steer training and adapters, keep the pairs, read the morning report."""
