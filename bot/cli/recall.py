"""`recall`: what a question would be shown, with scores and what it costs in tokens."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from bot.recall.records import Shown
    from bot.settings import Settings
    from storage.files.home import Home

__all__ = ["register"]

_SHOWN = 100  # characters of a text


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(recall)


def recall(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What a member might ask.")],
    server: Annotated[
        int, typer.Option("--server", metavar="ID", help="On which server (default: the first one the bot joined).")
    ] = 0,
    channel: Annotated[
        int, typer.Option("--channel", metavar="ID", help="In which channel: what was said there comes first.")
    ] = 0,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show which approved replies and documents fit a question.

    On Discord, what comes from a channel is shown only where everybody may read it. Here you see all of the server's.
    """
    from bot.settings import load_settings
    from storage.files.home import find_home

    place = find_home(home).ensure()
    settings = load_settings(place)
    shown = asyncio.run(_look_up(place, settings, question, server, channel))
    rows, best = _rows(shown), shown.best or 0.0
    if as_json:
        print(json.dumps({"question": question, "best": round(best, 3), "found": rows}, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['score']:.2f}  {row['tokens']:>5} tokens  {row['what']}\n      {row['text']}")
    if not rows:
        print(f"Nothing fits well enough (best score {best:.2f}).")


async def _look_up(home: Home, settings: Settings, question: str, server: int, channel: int) -> Shown:
    from bot.recall.memory import Memory
    from bot.recall.records import Question
    from storage.async_store import AsyncStore
    from storage.store import Store

    async def everything(_channel: int) -> bool:
        return True

    async with await AsyncStore.open(home.db) as store:
        guild_id = server or next(iter(await store.read(Store.teaching_servers)), 0)
        memory = Memory(store, settings)
        try:
            await memory.catch_up()
            await memory.vectors.load()
            shown = await memory.recall(Question(question, guild_id, [channel], everything))
        finally:
            await memory.close()
    return _fitting(home, settings, shown)


def _fitting(home: Home, settings: Settings, shown: Shown) -> Shown:
    """What of it the budgets of [memory] leave, with tokens as the model counts them."""
    from bot.recall.prompt import fitting
    from model.base.files import resolve_base
    from model.base.tokenizer import chat_tokenizer
    from model.chat import encode_prompt

    if not shown:
        return shown
    tokenizer = chat_tokenizer(resolve_base(settings.model.base, home.models), settings.model, home.root)
    memory = settings.memory
    return fitting(
        shown,
        lambda messages: len(encode_prompt(tokenizer, messages)),
        chunk_tokens=memory.chunk_tokens,
        example_tokens=memory.example_tokens,
    )


def _rows(shown: Shown) -> list[dict[str, Any]]:
    """What was found as plain values, documents first."""
    found = [
        (one.score, f"document {one.found.document_id}, {one.found.title}", one.found.text) for one in shown.chunks
    ]
    found += [
        (one.score, f"reply {one.found.reply_id}", f"{one.found.question} -> {one.found.answer}")
        for one in shown.examples
    ]
    return [
        {"score": round(score, 3), "tokens": tokens, "what": what, "text": _short(text)}
        for (score, what, text), tokens in zip(found, shown.tokens, strict=True)
    ]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
