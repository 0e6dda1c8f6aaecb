"""What can go wrong around Discord. Knows no Discord library, so that settings and the command line stay quick.

`str(error)` is one sentence for whoever has to do something about it: the operator, or for `Refused` the member.
Which of them a person on Discord reads is bot/handler.py's choice.
"""

from __future__ import annotations

from bot import texts

__all__ = [
    "BotError",
    "DiscordUnreachable",
    "IntentMissing",
    "NoPicture",
    "Refused",
    "TokenMissing",
    "TokenRefused",
    "TrainingUnderway",
]


class BotError(Exception):
    """Base class: `str(error)` is one sentence that says what to do."""


class TokenMissing(BotError):
    """No token was given."""

    def __init__(self) -> None:
        super().__init__(
            "No Discord token: put it in the environment variable DISCORD_TOKEN "
            "(Developer Portal, your application, Bot, Reset Token), or try `nightshift playground` without one."
        )


class TokenRefused(BotError):
    """Discord does not know the token."""

    def __init__(self) -> None:
        super().__init__(
            "Discord refused the token in DISCORD_TOKEN: copy it again from the Developer Portal "
            "(your application, Bot, Reset Token)."
        )


class IntentMissing(BotError):
    """An intent that must be allowed in the Developer Portal is not."""

    def __init__(self) -> None:
        super().__init__(
            "Discord refused the Message Content intent: switch it on in the Developer Portal (your application, "
            "Bot, Message Content Intent), or set message_content = false under [discord]."
        )


class DiscordUnreachable(BotError):
    """Nothing answers where Discord should be."""

    def __init__(self) -> None:
        super().__init__(
            "Discord cannot be reached: check this machine's network and discordstatus.com, then try again."
        )


class NoPicture(BotError):
    """A chart cannot be drawn or written."""


class Refused(BotError):
    """Somebody may not do what they asked for; the sentence is for them."""


class TrainingUnderway(Refused):
    """A training run was asked for while one is going on."""

    def __init__(self) -> None:
        super().__init__(texts.TRAINING_BUSY)
