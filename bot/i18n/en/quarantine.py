"""What people read about pairs in quarantine: why each waits, in English."""

from __future__ import annotations

from bot.i18n.language import in_every_language
from storage import quarantine
from trainer.quarantine import reasons
from trainer.quarantine.reasons import general, read_reason
from trainer.reasons import worded

WAITS_SINCE_IMPORT = "A moderator imported this. Another one has to decide."
REASONS = reasons.ENGLISH
UNSCREENED = (
    "No embedding model could be loaded, so nobody looked whether edited and imported answers fit their questions. "
    "`nightshift doctor` says how to install it."
)


def why(reason: str) -> str:
    """A stored reason in the reader's language."""
    return WAITS_SINCE_IMPORT if reason == quarantine.WAITS_SINCE_IMPORT else worded(read_reason(reason), REASONS)


def kind_of(reason: str) -> str:
    """The same for many pairs at once, without what concerns a single one."""
    if reason == quarantine.WAITS_SINCE_IMPORT:
        return WAITS_SINCE_IMPORT
    return worded(general(read_reason(reason)), REASONS)


in_every_language(__name__)
