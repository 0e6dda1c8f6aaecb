"""The base model: whether it can be had, its licence is accepted, its files are whole, and it can be served."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.diagnosis.finding import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings
    from model.base.files import BaseRef
    from model.protocol import EngineStats
    from storage.files.home import Home

__all__ = ["base_model", "embedding_model", "model_server"]


def base_model(home: Home, settings: Settings) -> Finding:
    """What `[model] base` names. Raises BaseNotFound, with what to do about a licence or a missing token too."""
    from model.base.cache import SCRATCH, damage
    from model.base.files import resolve_base
    from model.base.tokenizer import chat_tokenizer
    from model.base.weight_files import Digests
    from model.catalog import catalog_entry

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
    elif entry := catalog_entry(settings.model.base):
        text += f"; the first start fetches {entry.download_gb:g} GB, unless they are in the hub's cache here"
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


def model_server(home: Home, settings: Settings) -> Finding:
    """Whether the servers under `[engine]` answer, with this model. Raises ModelError."""
    from model.engines import start_engine

    async def ask() -> EngineStats:
        engine = await start_engine(settings.model, settings.engine, home.models)
        try:
            return engine.stats()
        finally:
            await engine.close()

    stats = asyncio.run(ask())
    if stats.failure:
        return Finding("broken", "server", stats.failure)
    return Finding("good", "server", stats.details["servers"])


def embedding_model(settings: Settings) -> Finding:
    """What `[memory] embedder` names; nothing fails without it, but edits and imports are looked at less closely."""
    from model.embedder import embedder_problem

    if problem := embedder_problem(settings.memory):
        text = f"{problem} Until then nobody looks whether edited and imported answers fit their questions."
        return Finding("note", "embedder", text)
    wanted = settings.memory.embedder
    return Finding("good", "embedder", {"embedded": "all-MiniLM-L6-v2", "none": "none, as set"}.get(wanted, wanted))
