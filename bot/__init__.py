"""The Discord bot and the `nightshift` command line: the one place where all parts are wired together."""
