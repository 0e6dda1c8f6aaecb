"""The base model: found, converted to NF4, cached, loaded."""
