"""Every kind of button and menu that still works after a restart: by its id alone, on messages of any age."""

from __future__ import annotations

from bot.chat.buttons import ContinueButton, DeleteButton, RegenerateButton, StopButton
from bot.pairs.quarantine import QuarantineButton
from bot.pairs.undoing import PutBackButton
from bot.review.blind_vote import VoteButton
from bot.review.cards import CardButton, ReasonMenu
from bot.review.queue import QueueButton
from bot.server.message_content import PermissionStep
from bot.server.setup import SetupChannel, SetupRole, SetupStep

__all__ = ["DYNAMIC_ITEMS"]

DYNAMIC_ITEMS = (
    CardButton,
    ReasonMenu,
    QueueButton,
    QuarantineButton,
    PutBackButton,
    VoteButton,
    SetupChannel,
    SetupRole,
    SetupStep,
    PermissionStep,
    StopButton,
    RegenerateButton,
    ContinueButton,
    DeleteButton,
)
