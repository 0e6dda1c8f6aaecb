"""Members ask and the bot answers: triggers, history, context, generation and the saved reply."""
