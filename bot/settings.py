"""The bot's settings: the trainer's and the model's, and what concerns Discord and the answers.

The token is not among them, so that it never lies in a file that somebody shares: bot/token_sources.py finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bot.shards import Shards
from model.config import EngineConfig
from storage.files.home import Home
from trainer.settings import ServerId, TrainerSettings, load_settings_as

__all__ = ["ApiConfig", "BackupConfig", "DiscordConfig", "MetricsConfig", "PrivacyConfig", "Settings", "load_settings"]


@dataclass(frozen=True)
class DiscordConfig:
    """Where and to whom the bot talks."""

    token_file: str = ""
    """A file that holds the bot's token alone, from the home; empty: `DISCORD_TOKEN`, or systemd's credential."""
    moderator_role: int | str | None = None
    """Id or name of the role that reviews, beside everyone with the permission Manage Messages."""
    review_channel: int | str | None = None
    """Id or name of the channel for review cards and notices; none posts no cards."""
    main_server: ServerId | None = None
    """Id of the server whose moderators train and choose adapters; none: the first of those that are learned from."""
    review_by_reaction: bool = False
    """Whether a moderator's \u2705 or \u274c on an answer is a verdict."""
    language: Literal["", "en", "de"] = ""
    """What the bot speaks where nobody's own language is known, as in channels; empty: as each server has set."""
    direct_messages: bool = True
    """Whether direct messages are answered."""
    message_content: bool = True
    """Whether the bot asks for the Message Content intent; without it, it sees only messages that mention it."""
    context_messages: Annotated[int, Field(ge=0, le=100)] = 40
    """Earlier messages shown at most when the question is not part of a chain of replies; of more, the newest half."""
    ask_history: Literal["auto", "always", "never"] = "auto"
    """Whether `/ask` is shown them too; "auto": not where its pair is learned from and messages are not."""
    edit_seconds: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """Least time between two edits of an answer that is being written."""
    member_cooldown_seconds: Annotated[float, Field(ge=0, le=31_536_000)] = 3.0
    """Least time between two questions of one member."""
    daily_quota: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Answers a member gets in a day, on servers that set nothing else; 0 is no limit."""
    poll_seconds: Annotated[float, Field(ge=0.01, le=86_400)] = 5.0
    """How often the bot looks for a new adapter."""
    shards: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Connections that Discord divides the bot's servers over; 0: one without sharding, for up to 2,500 servers."""
    shard_range: Annotated[str, Field(pattern=r"^([0-9]{1,5}(-[0-9]{1,5})?)?$")] = ""
    """Which of them this process serves, such as "0-3"; empty: all. Others are processes on the same home and host."""


@dataclass(frozen=True)
class PrivacyConfig:
    """What members are told, and how long words are kept that are of no use to training."""

    introduce: bool = True
    """Whether the first answer to a member says in one line how learning works and how to opt in."""

    retention_days: Annotated[float, Field(ge=0, le=36_500)] = 30.0
    """Days until a reply is deleted that nobody reviewed and not everyone in it consented to; 0 keeps them."""

    left_server_days: Annotated[float, Field(ge=0, le=36_500)] = 30.0
    """Days after which all data of a server that the bot has left is deleted, with its adapters; 0 keeps it."""

    look_back: bool = True
    """Whether to look, at the start, for messages deleted while the bot was away, and take them out of the store."""


@dataclass(frozen=True)
class BackupConfig:
    """Backups that a running bot makes by itself, one a day."""

    directory: str = ""
    """Where they are written, best on another disk; empty makes none."""
    keep_days: Annotated[float, Field(ge=1, le=36_500)] = 14.0
    """Days until a backup is deleted; the newest always stays. What members had deleted is in it that long."""
    recipient: Annotated[str, Field(pattern=r"^(age1[0-9a-z]{20,200})?$")] = ""
    """Public key (age) that alone can open them; empty does not encrypt. `nightshift backup-key` makes one."""


@dataclass(frozen=True)
class LogConfig:
    """What `nightshift run` writes about itself into the home; `nightshift logs` shows it."""

    file: bool = True
    """Whether there is a log file in the home, besides what goes to stderr."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged: this and everything more serious."""
    format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object for each entry, for programs that collect logs."""
    megabytes: Annotated[float, Field(ge=0.01, le=1000)] = 2.0
    """Size at which the file is put aside and a new one begins."""
    files: Annotated[int, Field(ge=1, le=100)] = 4
    """Files that were put aside and are kept."""


@dataclass(frozen=True)
class ApiConfig:
    """The voice for other programs: an OpenAI-compatible endpoint on this machine, on the bot's own engine."""

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of 127.0.0.1 that `nightshift run` serves it on; 0 serves none."""
    key_file: Annotated[str, Field(min_length=1, max_length=4096)] = "api-key"
    """File with the key that clients send. Where it is missing, it is made with a new key."""
    requests: Annotated[int, Field(ge=1, le=100_000)] = 16
    """Requests that are answered or wait at once; one more is refused."""


@dataclass(frozen=True)
class MetricsConfig:
    """What a monitor can ask of a running bot, on this machine."""

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of 127.0.0.1 with /metrics (Prometheus), /healthz and /readyz; 0 opens none. Needs the extra `metrics`."""


class Settings(TrainerSettings):
    """Everything a running bot needs to know, but for the token."""

    discord: DiscordConfig = DiscordConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    log: LogConfig = LogConfig()
    backup: BackupConfig = BackupConfig()
    api: ApiConfig = ApiConfig()
    metrics: MetricsConfig = MetricsConfig()
    engine: EngineConfig = EngineConfig()

    @property
    def shards(self) -> Shards:
        """What of Discord this process serves."""
        return Shards.parse(self.discord.shards, self.discord.shard_range)

    @model_validator(mode="after")
    def _refuse_shards_that_are_none(self) -> Self:
        """A range needs a number, and lies within it."""
        _ = self.shards
        return self

    @model_validator(mode="after")
    def _refuse_answers_without_questions(self) -> Self:
        """The longest answer has to leave room for what it answers."""
        if self.generation.max_new_tokens >= self.model.context_tokens:
            raise ValueError(
                f"the setting generation.max_new_tokens ({self.generation.max_new_tokens}) leaves no room for "
                f"a question in model.context_tokens ({self.model.context_tokens})"
            )
        return self


def load_settings(home: Home) -> Settings:
    """Read the settings of one home. Raises `trainer.errors.SettingsInvalid`."""
    return load_settings_as(Settings, home)
