"""What administrators of a server set on Discord: /settings."""
