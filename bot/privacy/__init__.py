"""/privacy, retention, and messages deleted on Discord."""
