"""`train`: one training run now, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import HomeOption, act
from bot.cli.signals import until_stopped

if TYPE_CHECKING:
    from trainer.launch import RunResult

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(train)


def train(
    force: Annotated[bool, typer.Option("--force", help="Train even if little is new since the last run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Make the last line of stdout JSON for scripts.")] = False,
    home: HomeOption = None,
) -> None:
    """Train now, and use the new adapter if it is better.

    One run on the approved pairs, in a process of its own. Exit code 1 only if the run failed.
    """
    result = until_stopped(_train(home, force=force))
    if result is None:
        raise typer.Exit(130)
    print(result.to_json() if as_json else _in_words(result))
    if result.outcome == "failed":
        raise typer.Exit(1)


async def _train(home: Path | None, *, force: bool) -> RunResult:
    from bot.settings import load_settings
    from storage.files.home import find_home
    from storage.store import Store

    place = find_home(home).ensure()
    load_settings(place)  # a misspelt setting is said here, not in the log of another process
    with Store.open(place.db) as store:
        store.act(lambda _: None, lambda _: act("train.now", force=force))
    from trainer.launch import run_training

    return await run_training(place.root, force=force, trigger="manual")


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
