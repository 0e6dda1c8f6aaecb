"""The language model: loading, rendering, adapters and the engine. Knows neither Discord nor SQLite."""
