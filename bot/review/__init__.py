"""Moderators review replies: cards, the private queue, verdicts, held answers, blind votes."""
