"""Texts in other languages than English: a package for each, with the same names (bot/language.py)."""
