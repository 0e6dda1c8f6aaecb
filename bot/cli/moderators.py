"""`pairs`: takes back all that one moderator decided since a time, and puts it back."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.options import HomeOption, operator

__all__ = ["register"]

group = typer.Typer(help="Take back all decisions of one moderator, or put them back.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    app.add_typer(group, name="pairs")


@group.callback()
def start(home: HomeOption = None) -> None:
    """Take back all decisions of one moderator, or put them back."""


@group.command()
def undo(
    moderator: Annotated[int, typer.Argument(metavar="ID", help="The moderator's Discord id.")],
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="3d, 12h, or a date such as 2026-11-20 14:30 (UTC).")
    ],
    server: Annotated[
        int | None, typer.Option("--server", metavar="ID", help="Of this server only (default: of all).")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Take back what a moderator approved, edited, rejected, imported and let out of quarantine.

    What stood before counts again. Adapters that learned from it are replaced by the next run.
    """
    from datetime import UTC, datetime

    from bot.moments import past_moment
    from storage.files.home import find_home
    from storage.store import Store

    moment = past_moment(since, datetime.now(UTC))
    if moment is None:
        raise typer.BadParameter("say 3d, 12h, or a date that has passed, such as 2026-11-20", param_hint="--since")
    with Store.open(find_home(home).ensure().db) as store:
        undone = store.undo_moderator(moderator, moment, actor=operator(), guild_id=server)
    print(f"took back {len(undone.replies)} verdicts and {undone.decisions} quarantine decisions")
    for adapter in undone.adapters:
        print(f"{adapter} learned from them: the next run replaces it, or: nightshift adapters rollback")
    print(f"to put them back: nightshift pairs redo {undone.id}")


@group.command()
def redo(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The number that `undo` printed.")],
    home: HomeOption = None,
) -> None:
    """Put back what was taken back, but for what was decided anew since."""
    from storage.files.home import find_home
    from storage.store import Store

    with Store.open(find_home(home).ensure().db) as store:
        back = store.redo_moderator(number, actor=operator())
    print(f"put back {len(back.replies)} verdicts and {back.decisions} quarantine decisions")
    for adapter in back.adapters:
        print(f"{adapter} may stay in use")
