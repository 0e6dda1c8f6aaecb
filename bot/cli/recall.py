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
    shown, costs = asyncio.run(_look_up(place, settings, question, server, channel))
    rows, best = _rows(shown, costs), shown.best or 0.0
    if as_json:
        print(json.dumps({"question": question, "best": round(best, 3), "found": rows}, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['score']:.2f}  {row['tokens']:>5} tokens  {row['what']}\n      {row['text']}")
    if not rows:
        print(f"Nothing fits well enough (best score {best:.2f}).")


async def _look_up(
    home: Home, settings: Settings, question: str, server: int, channel: int
) -> tuple[Shown, dict[int, int]]:
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
    return shown, _costs(home, settings, shown)


def _costs(home: Home, settings: Settings, shown: Shown) -> dict[int, int]:
    """Tokens by entry, counted as the model counts them."""
    from bot.recall.prompt import documents_block, turns_of
    from model.base.files import resolve_base
    from model.base.tokenizer import chat_tokenizer
    from model.chat import Message, encode_prompt

    if not shown:
        return {}
    tokenizer = chat_tokenizer(resolve_base(settings.model.base, home.models), settings.model, home.root)
    costs = {one.found.entry_id: len(encode_prompt(tokenizer, turns_of([one]))) for one in shown.examples}
    for chunk in shown.chunks:
        block = [Message("user", documents_block([chunk]))]
        costs[chunk.found.entry_id] = len(encode_prompt(tokenizer, block))
    return costs


def _rows(shown: Shown, costs: dict[int, int]) -> list[dict[str, Any]]:
    """What was found as plain values, documents first."""
    found = [
        (one.found.entry_id, one.score, f"document {one.found.document_id}, {one.found.title}", one.found.text)
        for one in shown.chunks
    ]
    found += [
        (
            one.found.entry_id,
            one.score,
            f"reply {one.found.reply_id}",
            f"{one.found.question} -> {one.found.answer}",
        )
        for one in shown.examples
    ]
    return [
        {"score": round(score, 3), "tokens": costs.get(entry, 0), "what": what, "text": _short(text)}
        for entry, score, what, text in found
    ]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
