"""The store: SQLite records and the adapter directory. Knows neither torch nor Discord."""
