"""Conditions of SQL that several statements share, each written once. Constants, never a caller's text."""

from __future__ import annotations

LATEST_REVIEW = "reviews.id = (select max(id) from reviews as latest where latest.reply_id = replies.id)"
"""Joins a reply to its latest review. That review is its verdict, unless it takes one back ("undo")."""

REVIEWED = f"replies join reviews on {LATEST_REVIEW}"
"""One row for each reply that was ever reviewed, with its latest review."""

APPROVED = "reviews.verdict in ('approve', 'edit') and replies.redacted = 0"
"""Of these rows, the replies that make a pair."""

WAITING = "source <> 'import' and redacted = 0 and standing is null"
"""For a statement over `replies`: no verdict was given, or the last one was taken back."""
