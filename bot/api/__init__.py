"""An OpenAI-compatible endpoint on the bot's own engine. Stores nothing."""
