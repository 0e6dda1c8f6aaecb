"""`chat`: talk to the model in the terminal, with the adapter in use or another one. Nothing is stored."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.library_logs import only_replies_on_stdout
from bot.cli.options import HomeOption

if TYPE_CHECKING:
    from bot.settings import Settings
    from model.chat import Message
    from model.protocol import AdapterRef, ChatEngine, Sampling
    from storage.files.home import Home

__all__ = ["register"]

_GOODBYES = {"/quit", "/exit", "/bye"}


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(chat)


def chat(
    once: Annotated[
        str | None, typer.Option("--once", metavar="TEXT", help="Answer this and exit. Prints only the reply.")
    ] = None,
    adapter: Annotated[
        str | None, typer.Option("--adapter", metavar="ID|base", help="Use this adapter instead of the one in use.")
    ] = None,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Always pick the most likely word, so replies are repeatable.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Talk to the model in the terminal."""
    if once is not None and not once.strip():
        raise typer.BadParameter("the text to answer is empty", param_hint="--once")
    with only_replies_on_stdout():
        reply = asyncio.run(_talk(home, once, adapter, greedy=greedy))
    if reply is not None:
        print(reply)


async def _talk(home: Path | None, once: str | None, adapter: str | None, *, greedy: bool) -> str | None:
    """Answer `once` and give the reply, or hold a conversation on the terminal and give None."""
    from bot.settings import load_settings
    from storage.files.home import find_home

    place = find_home(home).ensure()
    settings = load_settings(place)
    chosen = _chosen_adapter(place, adapter)
    sampling = _sampling(settings, greedy=greedy)
    from model.engines import start_engine  # takes seconds, so what can be refused was refused above

    engine = await start_engine(settings.model, settings.engine, place.models)
    try:
        await _take_on(engine, chosen, asked_for=adapter is not None)
        if once is None:
            await _converse(engine, settings, sampling)
            return None
        generation = engine.submit([*_opening(settings), _user(once)], sampling)
        return (await generation.wait()).text
    finally:
        await engine.close()


async def _take_on(engine: ChatEngine, chosen: AdapterRef | None, *, asked_for: bool) -> None:
    """Answer with an adapter. Of one in use that was made for another base it is said, and the base answers alone.

    Raises:
        AdapterUnfit: it was asked for by name.
    """
    from bot.errors import AdapterUnfit
    from model.errors import AdapterMismatch

    if chosen is None:
        return
    try:
        await engine.swap(chosen)
    except AdapterMismatch as error:
        if asked_for:
            raise AdapterUnfit(chosen.id, error.why) from error
        print(
            f"The adapter in use, {chosen.id}, does not go with this base ({error.why}), so the base answers alone.",
            file=sys.stderr,
        )


def _chosen_adapter(home: Home, wanted: str | None) -> AdapterRef | None:
    """The adapter to answer with, its files checked. Raises AdapterMissing, AdapterDamaged."""
    from model.protocol import AdapterRef
    from storage.files.adapter_directory import AdapterDirectory
    from storage.store import Store

    if wanted is None:
        with Store.open(home.db) as store:
            wanted = store.champion()
    if wanted is None or wanted == "base":
        return None
    directory = AdapterDirectory(home.adapters)
    directory.verify(wanted)
    return AdapterRef(wanted, directory.path(wanted))


def _sampling(settings: Settings, *, greedy: bool) -> Sampling:
    from model.protocol import Sampling

    drawn = settings.generation
    if greedy:
        return Sampling(max_new_tokens=drawn.max_new_tokens, temperature=0.0, top_p=1.0)
    return Sampling(drawn.max_new_tokens, drawn.temperature, drawn.top_p, drawn.repetition_penalty)


def _opening(settings: Settings) -> list[Message]:
    from model.chat import Message

    return [Message("system", settings.persona)] if settings.persona else []


def _user(text: str) -> Message:
    from model.chat import Message

    return Message("user", text)


async def _converse(engine: ChatEngine, settings: Settings, sampling: Sampling) -> None:
    """Read questions and stream answers until the input ends; the older half goes when the context is full."""
    from model.chat import Message
    from model.errors import ModelError

    terminal = sys.__stdout__ or sys.stdout
    turns: list[Message] = []
    print(f"Talking to {engine.base_id} with {engine.adapter or 'no adapter'}. /quit or Ctrl-D ends it.")
    while (question := await asyncio.to_thread(_ask)) is not None:
        if not question.strip():
            continue
        turns.append(_user(question))
        room = engine.context_tokens - sampling.max_new_tokens
        while len(turns) > 1 and engine.count_tokens([*_opening(settings), *turns]) > room:
            del turns[: max(2, len(turns) // 4 * 2)]  # the older half: the prompts after that begin alike again
        try:
            generation = engine.submit([*_opening(settings), *turns], sampling)
            async for piece in generation:
                print(piece, end="", flush=True, file=terminal)
            print(file=terminal)
            turns.append(Message("assistant", (await generation.wait()).text))
        except ModelError as error:
            print(error, file=sys.stderr)
            turns.pop()


def _ask() -> str | None:
    """The next question, None at the end of the input. The prompt goes to stderr."""
    print("> ", end="", flush=True, file=sys.stderr)
    line = sys.stdin.readline()
    return None if not line or line.strip().lower() in _GOODBYES else line.strip()
