"""The documents of a server: moderators add, list, refresh and remove them, and try what a question finds."""
