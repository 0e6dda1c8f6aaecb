"""`train`: one training run now, in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import HomeOption, ServerOption, act
from bot.cli.signals import until_stopped

if TYPE_CHECKING:
    from bot.settings import Settings
    from storage.store import Store
    from trainer.launch import RunResult

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(train)


def train(
    force: Annotated[bool, typer.Option("--force", help="Train even if little is new since the last run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Make the last line of stdout JSON for scripts.")] = False,
    server: ServerOption = None,
    home: HomeOption = None,
) -> None:
    """Train now, and use the new adapter if it is better.

    One run on the approved pairs, in a process of its own. Where each server has a voice of its own, --server names
    one; without it, every server with enough news trains, one after another. Exit code 1 only if a run failed.
    """
    results = until_stopped(_train(home, force=force, server=server))
    if results is None:
        raise typer.Exit(130)
    for result in results:
        print(result.to_json() if as_json else _in_words(result))
    if any(result.outcome == "failed" for result in results):
        raise typer.Exit(1)


async def _train(home: Path | None, *, force: bool, server: int | None) -> list[RunResult]:
    from bot.settings import load_settings
    from storage.files.home import find_home
    from storage.store import Store

    place = find_home(home).ensure()
    settings = load_settings(place)  # a misspelt setting is said here, not in the log of another process
    with Store.open(place.db) as store:
        store.act(lambda _: None, lambda _: act("train.now", guild_id=server, force=force))
        servers = _servers(store, settings, server)
    from trainer.launch import run_training

    if not servers:
        print("No server has enough new pairs.", file=sys.stderr)
    return [await run_training(place.root, force=force, trigger="manual", server=one) for one in servers]


def _servers(store: Store, settings: Settings, server: int | None) -> list[int | None]:
    """Whose voices train: the one that was named, or all with enough news. None is the one voice of all servers."""
    from trainer.voices import planned

    if settings.voices == "one" and server is not None:
        raise typer.BadParameter(
            'all servers have one voice: set voices = "server" for one each', param_hint="--server"
        )
    if settings.voices == "one" or server is not None:
        return [server]
    return [one.guild_id for one in planned(store, settings)]


def _in_words(result: RunResult) -> str:
    lines = [f"{result.outcome}: {result.reason}"]
    if result.champion_nll is not None and result.challenger_nll is not None:
        lines.append(
            f"Negative log-likelihood on {result.n} held-out pairs: "
            f"{result.champion_nll:.3f} before, {result.challenger_nll:.3f} after."
        )
    if result.outcome == "promoted":
        lines.append(f"In use now: {result.challenger}")
    return "\n".join(lines)
