"""/pairs export and import: a server's pairs as a file, with the checks of the command line (storage/exchange.py)."""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path
from typing import Any

import discord
from discord import app_commands

from bot import limits
from bot.errors import Refused
from bot.handler import answered
from bot.moderation import texts as words
from bot.moderation.office import Office
from storage.errors import FileUnusable
from storage.exchange import BadRow, read_pairs, write_pairs
from storage.records import NewPair, Pair

__all__ = ["add_transfers"]

_ALL = 1_000_000
_LARGEST = 8 * 1024 * 1024  # bytes of an import
_ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv")


def add_transfers(group: app_commands.Group, office: Office) -> None:
    """Add both commands to the group of /pairs."""

    @group.command(name="export", description="Every approved pair of this server, as a JSONL file")
    @answered
    async def export(interaction: discord.Interaction[Any]) -> None:
        guild = office.require(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        alone = len(interaction.client.guilds) == 1
        pairs = await office.store.call(lambda store: store.moderation.search_pairs(guild.id, "", _ALL, unowned=alone))
        if not pairs:
            raise Refused(words.EXPORT_EMPTY)
        data = await asyncio.to_thread(_written, pairs[::-1])
        if len(data) > guild.filesize_limit:
            raise Refused(words.EXPORT_TOO_LARGE)
        await office.note(interaction, "pairs.export", details={"pairs": len(pairs)})
        file = discord.File(io.BytesIO(data), "pairs.jsonl")
        await interaction.followup.send(words.exported(len(pairs)), file=file, ephemeral=True)

    @group.command(name="import", description="Take in pairs from a JSONL or CSV file")
    @app_commands.describe(file="JSONL with messages on each line, or CSV with a prompt and a reply column")
    @answered
    async def import_(interaction: discord.Interaction[Any], file: discord.Attachment) -> None:
        guild = office.require(interaction)
        if not file.filename.casefold().endswith(_ENDINGS):
            raise Refused(words.IMPORT_ENDING)
        if file.size > _LARGEST:
            raise Refused(words.IMPORT_TOO_LARGE)
        await interaction.response.defer(ephemeral=True, thinking=True)
        data = await file.read()
        try:
            pairs, bad = await asyncio.to_thread(_read, data, Path(file.filename).suffix)
        except FileUnusable as error:
            raise Refused(words.IMPORT_UNREADABLE) from error
        user = interaction.user
        count = await office.store.call(
            lambda store: store.import_pairs(pairs, user.display_name, guild_id=guild.id, by=user.id)
        )
        details = {"imported": count.imported, "duplicates": count.duplicates, "rejected": len(bad)}
        await office.note(interaction, "pairs.import", file.filename, details=details)
        said = limits.content(words.imported(count.imported, count.duplicates, bad))
        await interaction.followup.send(said, ephemeral=True)


def _read(data: bytes, ending: str) -> tuple[list[NewPair], list[tuple[int, str]]]:
    """The pairs of a file, and what was refused. Raises FileUnusable."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"import{ending}"
        path.write_bytes(data)
        rows = list(read_pairs(path))
    bad = [(row.number, row.reason) for row in rows if isinstance(row, BadRow)]
    return [row for row in rows if isinstance(row, NewPair)], bad


def _written(pairs: list[Pair]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.jsonl"
        write_pairs(path, pairs)
        return path.read_bytes()
