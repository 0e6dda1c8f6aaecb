"""`policy`: a privacy policy and the answers to Discord's intent review, from the actual settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.options import HomeOption

__all__ = ["register"]

_HEAD = (
    "<!-- Written by `nightshift policy` from the settings. Check it, fill in what stands in [brackets], and publish "
    "it. This is no legal advice. -->\n\n"
)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(policy)


def policy(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", dir_okay=False, help="Write a file instead of printing.")
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The bot's name.")] = "",
    contact: Annotated[str, typer.Option("--contact", metavar="TEXT", help="Where people reach you.")] = "",
    home: HomeOption = None,
) -> None:
    """Write a privacy policy and the answers to Discord's intent review.

    Markdown, from the actual settings, for you to check and publish. No legal advice.
    """
    from bot.policy import PolicyFacts, intent_review, privacy_policy
    from bot.settings import load_settings
    from storage.encryption import is_plain
    from storage.errors import FileUnusable
    from storage.files.home import find_home
    from storage.store import Store

    place = find_home(home).ensure()
    settings = load_settings(place)
    with Store.open(place.db) as store:
        learned = store.learned_origins(settings.training.learn_from)
    given = {key: value for key, value in (("name", name), ("contact", contact)) if value}
    facts = PolicyFacts(learned, encrypted=not is_plain(place.db), **given)
    text = f"{_HEAD}{privacy_policy(settings, facts)}\n{intent_review(settings, facts)}"
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileUnusable(out, f"cannot be written ({error.strerror}): check its folder and rights") from error
    print(f"wrote {out}")
