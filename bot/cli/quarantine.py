"""`quarantine`: what the nights set aside, and the operator's decision about it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from bot.cli.options import HomeOption, JsonOption, operator

__all__ = ["register"]

WIDTH = 100
"""Characters of a text that a line shows."""

IdsArgument = Annotated[list[int], typer.Argument(metavar="ID...", help="Reply numbers, as the list shows them.")]

group = typer.Typer(help="See pairs in quarantine and decide about them.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    app.add_typer(group, name="quarantine")


@group.callback()
def listing_by_default(ctx: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """See pairs in quarantine and decide about them."""
    if ctx.invoked_subcommand is None:
        show(as_json=as_json, home=home)
    elif as_json:
        raise typer.BadParameter("say it after the command: `nightshift quarantine list --json`", param_hint="--json")


@group.command("list")
def show(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the pairs waiting for a decision, the oldest first. This is what `nightshift quarantine` does."""
    from storage.files.home import find_home
    from storage.store import Store
    from trainer.quarantine.reasons import in_english

    with Store.open(find_home(home).ensure().db) as store:
        held = store.quarantined(limit=None)
    if as_json:
        print(json.dumps([{**asdict(one), "reason": in_english(one.reason)} for one in held]))
        return
    for one in held:
        print(f"{one.reply_id}  {one.created_at[:16]}  approved by {one.reviewer}  {in_english(one.reason)}")
        print(f"    asked:   {_short(one.prompt)}")
        print(f"    replied: {_short(one.completion)}")
    print(f"{len(held)} in quarantine.")


@group.command()
def confirm(ids: IdsArgument, home: HomeOption = None) -> None:
    """Accept pairs for training. They are not quarantined again."""
    _decide(ids, home, confirmed=True)


@group.command()
def dismiss(ids: IdsArgument, home: HomeOption = None) -> None:
    """Discard pairs for good."""
    _decide(ids, home, confirmed=False)


def _decide(ids: list[int], home: HomeOption, *, confirmed: bool) -> None:
    from storage.files.home import find_home
    from storage.store import Store

    with Store.open(find_home(home).ensure().db) as store:
        for reply_id in ids:
            store.decide_quarantine(reply_id, confirmed=confirmed, actor=operator(), actor_id=None)
            print(f"{'Confirmed' if confirmed else 'Dismissed'} {reply_id}")


def _short(text: str) -> str:
    """One line of a text."""
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."
