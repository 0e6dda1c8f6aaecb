"""Who can read a channel: one person, or everybody who reads another channel.

Asked of Discord's roles and overwrites each time, since they change. What cannot be found out counts as unreadable.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import discord

from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["Readers"]

_VIEW = discord.Permissions(view_channel=True).value
_READ = discord.Permissions(view_channel=True, read_message_history=True).value
_CONNECT = discord.Permissions(connect=True).value
_MANAGE_THREADS = discord.Permissions(manage_threads=True).value
_FRESH_S = 60.0  # a member asked for is remembered so long
_REMEMBERED = 1000


@dataclass(frozen=True)
class _Place:
    """A channel, or a thread by the channel it belongs to; `private` is the thread that only some may read."""

    channel: discord.abc.GuildChannel
    private: discord.Thread | None = None

    @property
    def needed(self) -> int:
        """The permissions in `channel` that reading takes; a private thread's members need no more."""
        voice = isinstance(self.channel, discord.VoiceChannel | discord.StageChannel)
        return _READ | (_CONNECT if voice else 0)


class Readers:
    """One for a client."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._threads: dict[int, discord.Thread | None] = {}  # archived ones, which the client does not know
        self._members: dict[tuple[int, int], tuple[float, discord.Member | None]] = {}

    async def may_read(self, member: discord.Member, channel_id: int) -> bool:
        """Whether somebody can read a channel or thread of their server, what was said there before included."""
        return await self.permissions(member, channel_id) is not None

    async def permissions(self, member: discord.Member, channel_id: int) -> discord.Permissions | None:
        """What somebody may do in a channel or thread; None where they cannot read it."""
        place = await self._place(member.guild, channel_id)
        if place is None:
            return None
        theirs = place.channel.permissions_for(member)
        if theirs.value & place.needed != place.needed:
            return None
        if place.private is not None and not theirs.manage_threads:
            try:
                await place.private.fetch_member(member.id)
            except discord.HTTPException:
                return None
        return theirs

    async def all_read(self, audience: discord.abc.GuildChannel, channel_id: int) -> bool:
        """Whether everybody who sees the channel `audience` can read the other one."""
        place = await self._place(audience.guild, channel_id)
        if place is None:
            return False
        if place.private is None and place.channel.id == audience.id:
            return True
        needed = place.needed | (_MANAGE_THREADS if place.private is not None else 0)
        return _roles_covered(audience, place.channel, needed) and await self._members_covered(
            audience, place.channel, needed
        )

    async def _members_covered(
        self, audience: discord.abc.GuildChannel, source: discord.abc.GuildChannel, needed: int
    ) -> bool:
        """The same for people who have permissions of their own in one of both channels."""
        let_in = {one for one, (allowed, _) in _of_members(audience) if allowed & _VIEW}
        kept_out = {one for one, (_, denied) in _of_members(source) if denied & needed}
        for member_id in (let_in | kept_out) - {audience.guild.me.id}:
            try:
                member = await self._member(audience.guild, member_id)
            except discord.HTTPException:
                return False
            if member is None or member.bot or not audience.permissions_for(member).view_channel:
                continue
            if source.permissions_for(member).value & needed != needed:
                return False
        return True

    async def _member(self, guild: discord.Guild, member_id: int) -> discord.Member | None:
        """A member with the roles they have now; None for who has left. Raises discord.HTTPException."""
        key, now = (guild.id, member_id), time.monotonic()
        known = self._members.get(key)
        if known is None or now - known[0] > _FRESH_S:
            try:
                known = now, await guild.fetch_member(member_id)
            except discord.NotFound:
                known = now, None
            if len(self._members) >= _REMEMBERED:
                self._members.clear()
            self._members[key] = known
        return known[1]

    async def _place(self, guild: discord.Guild, channel_id: int) -> _Place | None:
        found: Any = guild.get_channel_or_thread(channel_id)
        if found is None:
            thread = await self._store.read(Store.thread, channel_id)
            if thread is not None and thread.private is False:
                parent = guild.get_channel(thread.parent_id)
                return _Place(parent) if parent is not None else None
            found = await self._archived(guild, channel_id)
        if isinstance(found, discord.Thread):
            above = found.parent
            return None if above is None else _Place(above, found if found.is_private() else None)
        return _Place(found) if isinstance(found, discord.abc.GuildChannel) else None

    async def _archived(self, guild: discord.Guild, thread_id: int) -> discord.Thread | None:
        if thread_id not in self._threads:
            try:
                found = await guild.fetch_channel(thread_id)
            except (discord.NotFound, discord.Forbidden, discord.InvalidData):
                found = None
            except discord.HTTPException:
                return None  # for the moment
            if len(self._threads) >= _REMEMBERED:
                self._threads.clear()
            self._threads[thread_id] = found if isinstance(found, discord.Thread) else None
        return self._threads[thread_id]


@dataclass(frozen=True)
class _Holder:
    """What a role does to somebody's sight of both channels. True: allowed, False: denied, None: nothing said."""

    audience: bool | None
    source: bool | None
    views: bool
    """By the role's own permissions, before the channels'."""
    has: bool


def _roles_covered(audience: discord.abc.GuildChannel, source: discord.abc.GuildChannel, needed: int) -> bool:
    """Whether every choice of roles that lets somebody see `audience` gives all `needed` in `source`.

    Two roles are enough for a counterexample: one that shows `audience`, and one that takes something in `source`.
    """
    guild = audience.guild
    if guild.default_role.permissions.administrator:
        return True
    people = [one for one in guild.roles if not one.is_bot_managed() and not one.permissions.administrator]
    for bit in (1 << number for number in range(needed.bit_length()) if needed >> number & 1):
        everyone = _holder(guild.default_role, audience, source, bit)
        kinds = {_holder(one, audience, source, bit) for one in people if not one.is_default()}
        for held in [(), *combinations_with_replacement(sorted(kinds, key=repr), 2)]:
            sees = _granted([one.audience for one in held], everyone.audience, [one.views for one in (everyone, *held)])
            has = _granted([one.source for one in held], everyone.source, [one.has for one in (everyone, *held)])
            if sees and not has:
                return False
    return True


def _granted(said: Sequence[bool | None], to_everyone: bool | None, base: Sequence[bool]) -> bool:
    """Discord's order: a role's allowance, then a role's denial, then everybody's, then the roles' own permissions."""
    if True in said:
        return True
    if False in said:
        return False
    return any(base) if to_everyone is None else to_everyone


def _holder(role: discord.Role, audience: discord.abc.GuildChannel, source: discord.abc.GuildChannel, bit: int) -> Any:
    own = role.permissions.value
    return _Holder(_said(audience, role, _VIEW), _said(source, role, bit), bool(own & _VIEW), bool(own & bit))


def _said(channel: discord.abc.GuildChannel, role: discord.Role, bit: int) -> bool | None:
    allowed, denied = channel.overwrites_for(role).pair()
    return True if allowed.value & bit else False if denied.value & bit else None


def _of_members(channel: discord.abc.GuildChannel) -> Iterator[tuple[int, tuple[int, int]]]:
    for target, overwrite in channel.overwrites.items():
        if not isinstance(target, discord.Role) and getattr(target, "type", None) is not discord.Role:
            allowed, denied = overwrite.pair()
            yield target.id, (allowed.value, denied.value)
