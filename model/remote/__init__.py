"""Replies made by an OpenAI-compatible server, such as vLLM or SGLang, with the same interface as the local engine."""
