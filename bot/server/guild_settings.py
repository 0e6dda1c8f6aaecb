"""What administrators set on Discord: how the bot behaves on a server, and in one channel of it.

The operator's `nightshift.toml` gives the defaults, a server's values go over them, and a channel's over those. A
change is stored and holds from the next message on. Knows no Discord objects: places are ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args

from bot.settings import Settings
from storage.async_store import AsyncStore
from storage.guild_settings import SERVER
from storage.store import Store

__all__ = ["Actor", "GuildSettings", "GuildSettingsCache", "Talk"]

Talk = Literal["off", "name", "always"]
"""Whether the bot speaks up in a channel without a mention: not at all, when its name is said, or to every message."""


@dataclass(frozen=True)
class GuildSettings:
    """What holds in one place. Times in seconds; lists hold the ids of roles or channels."""

    persona: str = ""
    temperature: float = 0.7
    max_new_tokens: int = 200
    talk: Talk = "off"
    talk_cooldown: float = 0.0
    """Least time between two answers in this channel that nobody asked for with a mention or a reply."""
    member_cooldown: float = 0.0
    """Least time between two questions of one member."""
    daily_quota: int = 0
    """Answers a member gets in a day; 0 is no limit."""
    role_quotas: Mapping[int, int] = field(default_factory=dict)
    """By role, instead of `daily_quota`; of several roles the most generous holds."""
    allowed_channels: Sequence[int] = ()
    """If any, the bot answers only there."""
    denied_channels: Sequence[int] = ()
    allowed_roles: Sequence[int] = ()
    """If any, the bot answers only members with one of them."""
    denied_roles: Sequence[int] = ()
    unsure: float = 0.0
    """How likely an answer must be right to be posted, from 0 to 1; below, the moderators are asked. 0: never."""
    hold: bool = False
    """Whether an answer is posted only once a moderator has approved or edited it."""
    review_channel: int | None = None
    """Where cards and reports go, instead of the operator's choice."""
    moderator_role: int | None = None
    """The role that reviews, instead of the operator's choice."""

    def over(self, values: Mapping[str, Any]) -> Self:
        """These settings with stored `values` in place of some. Names this version does not know are passed over."""
        known = {one.name for one in fields(self)}
        return replace(self, **{name: _read(name, value) for name, value in values.items() if name in known})

    def quota(self, roles: Sequence[int]) -> int:
        """Answers that a member with these roles gets in a day; 0 is no limit."""
        theirs = [self.role_quotas[role] for role in roles if role in self.role_quotas] or [self.daily_quota]
        return 0 if 0 in theirs else max(theirs)


@dataclass(frozen=True)
class Actor:
    """Who makes a change, for the audit."""

    id: int
    name: str


class GuildSettingsCache:
    """All servers' settings, in memory and in the store. Load it once; afterwards it is the only writer."""

    def __init__(self, store: AsyncStore, settings: Settings) -> None:
        self._store = store
        self._default = GuildSettings(
            persona=settings.persona,
            temperature=settings.generation.temperature,
            max_new_tokens=settings.generation.max_new_tokens,
            member_cooldown=settings.discord.member_cooldown_seconds,
            daily_quota=settings.discord.daily_quota,
        )
        self.context_tokens = settings.model.context_tokens
        self.longest_answer = max(self.context_tokens // 2, self._default.max_new_tokens)
        """In tokens, of what may be set on Discord: at least half of the context stays for the conversation."""
        self._values: dict[tuple[int, int], dict[str, Any]] = {}

    async def load(self) -> None:
        """Read what is stored."""
        self._values = {}
        for one in await self._store.call(Store.guild_settings):
            self._values.setdefault((one.guild_id, one.channel_id), {})[one.name] = one.value

    def of(self, guild_id: int | None, *channel_ids: int) -> GuildSettings:
        """What holds in a channel. For a thread give its parent first, then itself; a direct message has no server."""
        held = self._default
        if guild_id is not None:
            for channel_id in (SERVER, *channel_ids):
                held = held.over(self._values.get((guild_id, channel_id), {}))
        # What was stored before there was a limit, or when the context was longer.
        return replace(held, max_new_tokens=min(held.max_new_tokens, self.longest_answer))

    def made(self, guild_id: int) -> Mapping[int, Mapping[str, Any]]:
        """What was set on a server, by channel id (0: the server itself), as it is stored."""
        return {channel: values for (guild, channel), values in self._values.items() if guild == guild_id and values}

    async def change(self, actor: Actor, guild_id: int, channel_id: int, changes: Mapping[str, Any]) -> None:
        """Set some values of a place (`channel_id` 0: the server), or with None put them back; written in the audit."""
        await self._store.call(_write, actor, guild_id, channel_id, dict(changes))
        values = self._values.setdefault((guild_id, channel_id), {})
        for name, value in changes.items():
            if value is None:
                values.pop(name, None)
            else:
                values[name] = value


def _write(store: Store, actor: Actor, guild_id: int, channel_id: int, changes: Mapping[str, Any]) -> None:
    subject = str(channel_id) if channel_id else ""
    with store.writing():
        for name, value in changes.items():
            store.set_guild_setting(guild_id, name, value, channel_id=channel_id)
            # A persona may be long and may name people; that it was changed is what the audit is for.
            details = {} if name == "persona" else {"value": value}
            store.audit(actor.id, actor.name, f"settings.{name}", subject, guild_id=guild_id, details=details)


def _read(name: str, value: Any) -> Any:
    """A stored value as the field holds it: JSON has neither tuples nor whole numbers as keys."""
    if name == "role_quotas":
        return {int(role): int(quota) for role, quota in value.items()}
    if name == "talk":
        return value if value in get_args(Talk) else "off"
    return tuple(value) if isinstance(value, list) else value
