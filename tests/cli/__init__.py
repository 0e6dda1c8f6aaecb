"""The command line, used as a person or a script uses it."""
