"""/pairs export and import: a server's pairs as a file, with the checks of storage/files/pair_files.py."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import discord

from bot.discord_io import limits
from bot.discord_io.components import Interaction
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.server.moderators import Moderators, server_of
from bot.server.training_servers import TrainingServers
from storage.audit_records import Act
from storage.errors import FileUnusable
from storage.files.pair_files import read_pairs, write_pairs
from storage.pair_records import ImportCount, NewPair, Pair
from storage.store import Store

__all__ = ["export_pairs", "import_pairs"]

_LARGEST = 8 * 1024 * 1024  # bytes of an import
_MOST_ROWS = 50_000
_KEPT = 10  # refused rows that are named
_ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")


async def export_pairs(interaction: Interaction, moderators: Moderators) -> None:
    """Send the pairs of this server that the bot may learn from, as a file."""
    guild = server_of(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    places = await moderators.judged(interaction.user, guild)
    pairs, approved = await moderators.store.read(_exportable, guild.id, moderators.training_servers, places)
    if not pairs:
        raise Refused(_why_nothing(approved=approved, learned=moderators.training_servers.learns_from(guild.id)))
    data = await asyncio.to_thread(_written, pairs)
    if len(data) > guild.filesize_limit:
        raise Refused(words.EXPORT_TOO_LARGE)
    await moderators.note(interaction, "pairs.export", details={"pairs": len(pairs)})
    file = discord.File(io.BytesIO(data), "pairs.jsonl")
    await interaction.followup.send(words.exported(len(pairs)), file=file, ephemeral=True)


async def import_pairs(interaction: Interaction, moderators: Moderators, file: discord.Attachment) -> None:
    """Add the pairs of a file. Raises Refused for a file that cannot be used."""
    guild = server_of(interaction)
    if not file.filename.casefold().endswith(_ENDINGS):
        raise Refused(words.IMPORT_ENDING)
    if file.size > _LARGEST:
        raise Refused(words.IMPORT_TOO_LARGE)
    await interaction.response.defer(ephemeral=True, thinking=True)
    data = await file.read()
    if len(data) > _LARGEST:  # whatever size was declared
        raise Refused(words.IMPORT_TOO_LARGE)
    try:
        pairs, bad, rejected = await asyncio.to_thread(_read, data, Path(file.filename).suffix)
    except FileUnusable as error:
        own = {"packed": words.IMPORT_PACKED, "rows": words.IMPORT_TOO_MANY_ROWS}
        raise Refused(own.get(error.kind, words.IMPORT_UNREADABLE)) from error
    user = interaction.user

    def noted(count: ImportCount) -> Act:
        details = {
            "imported": count.imported,
            "duplicates": count.duplicates,
            "rejected": rejected,
            "refused": count.refused,
        }
        return moderators.act(interaction, "pairs.import", file.filename, details=details)

    apart = moderators.training_servers.apart
    count = await moderators.store.call(
        lambda store: store.import_pairs(
            pairs, user.display_name, guild_id=guild.id, by=user.id, apart=apart, note=noted
        )
    )
    answer = limits.content(words.imported(count.imported, count.duplicates, bad, rejected))
    remarks = _remarks(count, learned=moderators.training_servers.learns_from(guild.id))
    embeds = [limits.Embed(description=remarks, colour=discord.Colour.gold())] if remarks else []
    await interaction.followup.send(answer, embeds=embeds, ephemeral=True)


def _exportable(
    store: Store, guild_id: int, training_servers: TrainingServers, places: Sequence[int]
) -> tuple[list[Pair], bool]:
    """The pairs that a moderator who reads these channels may export, and whether any pair there is approved."""
    pairs = store.exportable_pairs(
        guild_id,
        training_servers.consent,
        servers=training_servers.named,
        learn_from=training_servers.learn_from,
        voice=training_servers.voice(guild_id),
        unowned=guild_id == training_servers.main,
        places=places,
    )
    return pairs, bool(pairs or store.search_pairs(guild_id, "", 1, places=places))


def _why_nothing(*, approved: bool, learned: bool) -> str:
    if not approved:
        return words.EXPORT_EMPTY
    return words.EXPORT_NONE_ELIGIBLE if learned else texts.NOT_LEARNING_HERE


def _remarks(count: ImportCount, *, learned: bool) -> str:
    """What a moderator should know about an import besides its counts."""
    lines = [words.import_waits(count.imported)] if count.imported else []
    lines += [words.import_refused(count.refused)] if count.refused else []
    return "\n".join(lines if learned else [*lines, texts.NOT_LEARNING_HERE])


def _read(data: bytes, ending: str) -> tuple[list[NewPair], list[tuple[int, str]], int]:
    """The pairs of a file, the first rows that were refused, and how many were. Raises FileUnusable."""
    pairs: list[NewPair] = []
    bad: list[tuple[int, str]] = []
    rejected = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"import{ending}"
        path.write_bytes(data)
        for row in read_pairs(path, max_rows=_MOST_ROWS):
            if isinstance(row, NewPair):
                pairs.append(row)
                continue
            rejected += 1
            if len(bad) < _KEPT:
                bad.append((row.number, row.reason))
    return pairs, bad, rejected


def _written(pairs: list[Pair]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.jsonl"
        write_pairs(path, pairs)
        return path.read_bytes()
