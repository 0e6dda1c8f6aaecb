"""Files beside the database: the home, adapters, and pairs as JSONL and CSV."""
