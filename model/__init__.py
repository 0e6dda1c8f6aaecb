"""The language model: loading, rendering, the adapter slot and the generation engine. Knows neither Discord nor SQLite."""
