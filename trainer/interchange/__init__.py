"""Adapters from and for other programs."""
