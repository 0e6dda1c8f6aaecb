"""Deutsch. Members are addressed with "du"; the names of commands stay English, as Discord shows them."""
