"""What every part needs of Discord: streaming, the edit budget, retries, clean text, errors as sentences."""
