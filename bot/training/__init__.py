"""Training and adapters as moderators see them: /train, /adapter, the morning report."""
