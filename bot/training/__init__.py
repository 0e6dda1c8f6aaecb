"""Training and adapters as moderators see them: /train, /adapter, the report after a night."""
