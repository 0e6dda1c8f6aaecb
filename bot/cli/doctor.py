"""`doctor`: looks at everything Nightshift needs and says how to fix what is broken. Changes nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import typer

from bot.cli.library_logs import silence_libraries
from bot.cli.options import HomeOption

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings
    from model.base.files import BaseRef
    from storage.files.home import Home

__all__ = ["Finding", "register"]

_MARKS = {"good": "ok  ", "note": "note", "broken": "FAIL"}
_LOW_DISK, _FULL_DISK = 5e9, 0.5e9
_DISCORD_S = 15


@dataclass(frozen=True)
class Finding:
    """What one look found. `note` is worth knowing; `broken` keeps Nightshift from working."""

    state: Literal["good", "note", "broken"]
    subject: str
    text: str


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(doctor)


def doctor(home: HomeOption = None) -> None:
    """Check this installation and say how to fix problems.

    Looks at home, disk, settings, database, adapter, model files, device, 4-bit kernels, token and intents.
    """
    from storage.files.home import find_home

    silence_libraries()
    broken = 0
    for finding in _findings(find_home(home)):
        broken += finding.state == "broken"
        print(f"{_MARKS[finding.state]}  {finding.subject:<9}{finding.text}", flush=True)
    if broken:
        print(f"\n{broken} problem{'s' if broken > 1 else ''} to fix before Nightshift can run.")
        raise typer.Exit(1)
    print("\nNightshift can work here.")


def _findings(home: Home) -> Iterator[Finding]:
    from trainer.errors import TrainerError

    yield _looked("home", lambda: _home(home))
    yield _looked("disk", lambda: _disk(home))
    try:
        from bot.settings import load_settings

        settings = load_settings(home)
    except TrainerError as error:
        yield Finding("broken", "settings", str(error))
        return
    yield _looked("settings", lambda: _settings(home, settings))
    yield _looked("database", lambda: _database(home, settings))
    yield _looked("adapter", lambda: _adapter(home))
    yield _looked("model", lambda: _model(home, settings))
    yield _looked("device", lambda: _device(settings))
    yield _looked("kernels", lambda: _kernels(settings))
    yield _looked("discord", lambda: _discord(home, settings))


def _looked(subject: str, look: Callable[[], Finding]) -> Finding:
    """Look, and turn what goes wrong into a finding: one broken part must not hide the others."""
    from model.errors import ModelError
    from storage.errors import StorageError
    from trainer.errors import TrainerError

    try:
        return look()
    except (StorageError, ModelError, TrainerError) as error:
        return Finding("broken", subject, str(error))
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        return Finding("broken", subject, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def _home(home: Home) -> Finding:
    home.ensure()
    return Finding("good", "home", str(home.root))


def _settings(home: Home, settings: Settings) -> Finding:
    """Where they come from; a schedule that cannot be read is found here too."""
    from bot.settings import Settings
    from trainer.schedule import WallClock
    from trainer.setting_names import from_environment

    WallClock.parse(settings.schedule)
    places = [str(home.config)] if home.config.exists() else []
    if named := from_environment(Settings, os.environ):
        places.append(f"the environment ({', '.join(named)})")
    return Finding("good", "settings", " and ".join(places) or "all at their defaults")


def _disk(home: Home) -> Finding:
    place = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    said = f"{free / 1e9:.1f} GB free"
    if free < _FULL_DISK:
        return Finding("broken", "disk", f"{said}: free some space, or choose another --home.")
    if free < _LOW_DISK:
        return Finding("note", "disk", f"{said}: enough for the embedded model, little for a large one.")
    return Finding("good", "disk", said)


def _database(home: Home, settings: Settings) -> Finding:
    from storage.database import check_database
    from storage.store import Store

    if not home.db.exists():
        return Finding("good", "database", "not made yet; the first command that needs it makes it")
    check_database(home.db)
    with Store.open(home.db) as store:
        counts = store.counts(settings.consent, servers=settings.training.servers)
    text = f"{counts.approved} approved pairs, {counts.eligible} of them may be trained on"
    if settings.consent == "members" and counts.eligible < counts.approved:
        return Finding("note", "database", f"{text}: the others wait for members to opt in with /privacy.")
    return Finding("good", "database", text)


def _adapter(home: Home) -> Finding:
    from storage.files.adapter_directory import AdapterDirectory
    from storage.store import Store

    if not home.db.exists():
        return Finding("good", "adapter", "none yet, the base model answers")
    with Store.open(home.db) as store:
        champion = store.champion()
    if champion is None:
        return Finding("good", "adapter", "none in use, the base model answers")
    AdapterDirectory(home.adapters).verify(champion)
    return Finding("good", "adapter", f"{champion} is intact")


def _model(home: Home, settings: Settings) -> Finding:
    from model.base.cache import SCRATCH, damage
    from model.base.files import resolve_base
    from model.base.tokenizer import chat_tokenizer
    from model.base.weight_files import Digests

    base = resolve_base(settings.model.base, home.models)
    text = f"{base.id} ({base.revision})"
    converted = home.models / f"{base.slug}-nf4"
    why = damage(converted, Digests(home.models)) if converted.exists() else None
    if why:
        return Finding(
            "note", "model", f"{text}: its converted copy is damaged ({why}); it is made anew at the next start."
        )
    if any(home.models.glob(f"{SCRATCH}*")):
        return Finding(
            "note", "model", f"{text}: a conversion is going on, or was broken off and is begun anew at the next start."
        )
    if converted.exists() or base.hub_revision is None:
        chat_tokenizer(base, settings.model, home.root, converted if converted.exists() else None)
        text += _how_served(base, converted, settings)
    return Finding("good", "model", text)


def _how_served(base: BaseRef, converted: Path, settings: Settings) -> str:
    """Ask a small model of the base's kind; raises BaseUnsuitable. A GGUF file says nothing before it is converted."""
    from transformers import AutoConfig

    from model.serving.suitability import check_suitable

    if base.gguf_file and not converted.exists():
        return ""
    where = converted if converted.exists() else base.source
    way = check_suitable(base.id, AutoConfig.from_pretrained(where, trust_remote_code=False), settings.model)
    return f", served {way}" if "cache" in way else ""


def _device(settings: Settings) -> Finding:
    from model.base.device import pick_device

    device = pick_device(settings.model.device)
    if device.type == "cpu":
        return Finding(
            "note", "device", f"the CPU, {os.cpu_count()} cores: fine for small models, slow for large ones."
        )
    import torch

    free, total = torch.cuda.mem_get_info(device)
    text = f"{torch.cuda.get_device_name(device)}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free"
    return Finding("good", "device", text)


def _kernels(settings: Settings) -> Finding:
    """Pack a small matrix into 4 bits and unpack it, as loading and answering do."""
    import torch
    from bitsandbytes import functional

    from model.base.device import pick_device

    device = pick_device(settings.model.device)
    matrix = torch.linspace(-1, 1, 128 * 64, device=device).reshape(128, 64)
    packed, state = functional.quantize_4bit(matrix, quant_type="nf4", compress_statistics=True)
    error = float((functional.dequantize_4bit(packed, state) - matrix).abs().mean())
    if not error < 0.1:
        return Finding("broken", "kernels", f"4-bit packing is off by {error:.2f}: reinstall bitsandbytes.")
    return Finding("good", "kernels", f"4-bit packing works (mean error {error:.3f})")


def _discord(home: Home, settings: Settings) -> Finding:
    """Ask Discord about the token and the intents; without a token there is nothing to ask."""
    import aiohttp
    import discord

    from bot.errors import BotError, DiscordRefuses, DiscordUnreachable, TokenMissing
    from bot.login import check_login
    from bot.token_sources import discord_token

    async def ask() -> str:
        async with asyncio.timeout(_DISCORD_S):
            token = discord_token(home, settings.discord).value
            return await check_login(token, message_content=settings.discord.message_content, retry=False)

    try:
        name = asyncio.run(ask())
    except TokenMissing as error:
        return Finding("note", "discord", f"{error} Until then the intents cannot be checked either.")
    except DiscordRefuses as error:
        return Finding("note", "discord", str(error))
    except (DiscordUnreachable, aiohttp.ClientError, discord.HTTPException, OSError, TimeoutError):
        return Finding("note", "discord", "Discord cannot be reached from here, so token and intents are unchecked.")
    except BotError as error:
        return Finding("broken", "discord", str(error))
    return Finding("good", "discord", f"the token is {name}'s, and the intents are allowed")
