"""What can go wrong with a reply, a verdict on it, or a decision about its pair."""

from __future__ import annotations

from storage.errors import StorageError


class ReplyNotFound(StorageError):
    """No reply has this number."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(f"There is no reply {reply_id}: it was never stored, or has been deleted.")
        self.reply_id = reply_id


class ReplyRedacted(StorageError):
    """A verdict was given on a reply whose words are gone."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(
            f"Reply {reply_id} cannot be reviewed: parts of it were removed, so it is not used for training."
        )
        self.reply_id = reply_id


class EditEmpty(StorageError):
    """An edit without any text."""

    def __init__(self, reply_id: int) -> None:
        super().__init__("An edit needs a corrected answer: write one, or reject the reply.")
        self.reply_id = reply_id


class NothingToUndo(StorageError):
    """A verdict was to be taken back where there is none."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(f"Reply {reply_id} has no review to undo: it is still waiting for one.")
        self.reply_id = reply_id


class NoVerdicts(StorageError):
    """A moderator's verdicts were to be taken back, and none counts."""

    def __init__(self, moderator_id: int) -> None:
        super().__init__(
            f"Moderator {moderator_id} has decided nothing since then that still counts: check the id, or name an "
            "earlier time."
        )
        self.moderator_id = moderator_id


class UndoingGone(StorageError):
    """Verdicts were to be put back that were put back already, or never taken back."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"There is no undoing {number}, or it was reversed already: `nightshift audit` lists what was undone."
        )
        self.number = number


class NotInQuarantine(StorageError):
    """A decision was made about a pair that does not wait for one."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(
            f"Reply {reply_id} is not waiting in quarantine: it was already decided, has changed, or was never there."
        )
        self.reply_id = reply_id


class SecondModeratorNeeded(StorageError):
    """The moderator who approved a pair was about to decide on its quarantine too."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(
            f"Reply {reply_id} was approved by you: another moderator has to decide, or the operator with "
            "`nightshift quarantine`."
        )
        self.reply_id = reply_id
