"""What can go wrong around Discord. Knows no Discord library, so that settings and the command line stay quick.

`str(error)` is one sentence for the person who has to do something about it: the operator, or for `Refused` the member.
Which of them a person on Discord reads is bot/discord_io/interaction_errors.py's choice.
"""

from __future__ import annotations

from bot.i18n.en import texts

__all__ = [
    "AdapterUnfit",
    "AnswerInvalid",
    "BotError",
    "ConnectionRefused",
    "DatasetteNotInstalled",
    "DiscordRefuses",
    "DiscordUnreachable",
    "EndpointOccupied",
    "EngineLost",
    "IntentMissing",
    "KeyUnusable",
    "LogMissing",
    "MetricsNotInstalled",
    "NoPicture",
    "PortUnavailable",
    "Refused",
    "ServerUnknown",
    "SettingsExist",
    "StoreMissing",
    "TokenMissing",
    "TokenRefused",
    "TokenReset",
    "TokenUnreadable",
    "TrainingUnderway",
]


class BotError(Exception):
    """Base class: `str(error)` is one sentence that says what to do."""


class AdapterUnfit(BotError):
    """The adapter that was asked for does not go with the configured base."""

    def __init__(self, adapter: str, why: str) -> None:
        super().__init__(
            f"Adapter {adapter} cannot be used with this base model ({why}): choose another one "
            "with --adapter, or none with `--adapter base`."
        )
        self.adapter = adapter


class AnswerInvalid(BotError):
    """An answer or an option of `nightshift init` cannot be used."""


class ServerUnknown(BotError):
    """A command concerns one server, and nobody knows which."""

    def __init__(self) -> None:
        super().__init__("The bot has joined no server yet: name one with --server ID.")


class SettingsExist(BotError):
    """There are settings already where new ones were to be written."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is there already and stays as it is: edit it, or move it away and start again.")


class KeyUnusable(BotError):
    """The endpoint has no key."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"The key of the endpoint cannot be taken from {where}: {why}. Move the file away, and a new key is made."
        )


class PortUnavailable(BotError):
    """A port of this machine cannot be opened. `where` is what to set instead."""

    def __init__(self, where: str, port: int, why: str) -> None:
        super().__init__(f"Port {port} cannot be opened ({why}): choose another one with {where}.")
        self.port = port


class MetricsNotInstalled(BotError):
    """Metrics are set and the library is missing."""

    def __init__(self) -> None:
        super().__init__(
            "The setting metrics.port needs the library prometheus-client: "
            "`pip install 'nightshift-discord[metrics]'`, or set no port under [metrics]."
        )


class DatasetteNotInstalled(BotError):
    """`nightshift explore` needs an extra."""

    def __init__(self) -> None:
        super().__init__("Datasette is not installed: `pip install 'nightshift-discord[explore]'`, then try again.")


class StoreMissing(BotError):
    """There is no database in the home."""

    def __init__(self, home: str) -> None:
        super().__init__(f"There is no store in {home} yet: `nightshift run` makes one, or name a home with --home.")


class EndpointOccupied(BotError):
    """A bot runs on the home that `nightshift api` was to serve."""

    def __init__(self) -> None:
        super().__init__(
            "A bot is using this home already: set port under [api] and restart it, and it serves the endpoint too, "
            "with the weights that it has in memory."
        )


class LogMissing(BotError):
    """There is no log file."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"There is no log in {folder} yet: `nightshift run` writes one, unless [log] says file = false."
        )


class TokenMissing(BotError):
    """No token was given."""

    def __init__(self) -> None:
        super().__init__(
            "No Discord token: set the environment variable DISCORD_TOKEN, or token_file under [discord] (Developer "
            "Portal, your application, Bot, Reset Token), or try `nightshift playground`, which needs no token."
        )


class TokenUnreadable(BotError):
    """There is no token where one should be."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"The Discord token cannot be taken from {where}: {why}. Copy it there from the Developer Portal (your "
            "application, Bot, Reset Token)."
        )


class TokenRefused(BotError):
    """Discord does not know the token."""

    def __init__(self) -> None:
        super().__init__(
            "Discord refused the bot's token: copy it again from the Developer Portal (your application, Bot, Reset "
            "Token) to where `nightshift doctor` says that it is read."
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
        super().__init__("Discord cannot be reached: check your network and discordstatus.com, then try again.")


class DiscordRefuses(BotError):
    """Discord, or the network in front of it, answers a login with anything but yes or no."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"Discord refuses logins from this machine at the moment (status {status}): check discordstatus.com, "
            "wait 15 minutes, and start Nightshift again."
        )
        self.status = status


class TokenReset(BotError):
    """The token stopped working while the bot was running."""

    def __init__(self) -> None:
        super().__init__(
            "Discord no longer accepts the bot's token: copy a new one from the Developer Portal (your application, "
            "Bot, Reset Token) to where `nightshift doctor` says that it is read, and start Nightshift again."
        )


class ConnectionRefused(BotError):
    """Discord closed the connection for good."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Discord closed the connection for good (code {code}): update Nightshift and start it again.")
        self.code = code


class EngineLost(BotError):
    """The engine failed and could not be started again; nothing can be answered any more."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The engine failed and could not be restarted, so the bot is shutting down. {why} Start Nightshift again; "
            "`nightshift doctor` shows what is broken."
        )


class NoPicture(BotError):
    """A chart cannot be drawn or written."""


class Refused(BotError):
    """Somebody may not do what they asked for; the sentence is for them."""


class TrainingUnderway(Refused):
    """A training run was asked for while one is going on."""

    def __init__(self) -> None:
        super().__init__(texts.TRAINING_BUSY)
