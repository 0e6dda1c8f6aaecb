"""`init`: asks five things, writes the settings of a new home, prints the invitation, and looks whether all is well."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bot.cli.options import HomeOption

if TYPE_CHECKING:
    from bot.initial_settings import InitialSettings
    from storage.files.home import Home

__all__ = ["register"]

T = TypeVar("T")
_HUB_S = 5
_RULE = """
5. May the bot learn from messages? Discord's Developer Policy says (rule 21): "Do not use message content obtained
   through the APIs to train machine learning or AI models (including large language models) unless express permission
   is granted by Discord." https://support-dev.discord.com/hc/en-us/articles/8563934450327-Discord-Developer-Policy
   Without it the bot learns from commands, forms, imports and moderators' wording. In either case it learns only from
   members who opted in."""


@dataclass(frozen=True)
class Given:
    """What was given as options; None is asked for, or at its default with `--yes`."""

    model: str | None
    language: str | None
    schedule: str | None
    zone: str | None
    token: str | None
    permission: bool | None
    yes: bool


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(init)


def init(
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="A Hugging Face id, a directory, or `embedded`.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="en|de|server", help="What the bot speaks in channels.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option("--schedule", metavar="TIME", help="When it trains: 04:00, a crontab line, or `off`.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="Time zone of the schedule, as Europe/Berlin.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="SOURCE", help="Where the token is: `environment`, `systemd`, or a file."),
    ] = None,
    permission: Annotated[
        bool | None,
        typer.Option(
            "--message-permission/--no-message-permission",
            help="Whether Discord has given this application permission to train on message content.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take the defaults for what is not given.")] = False,
    home: HomeOption = None,
) -> None:
    """Set up a new home: ask five things and write nightshift.toml.

    Prints the link that invites the bot, and ends with `doctor`, whose exit code it takes. An existing file is kept.
    """
    from bot.cli.doctor import examine
    from storage.files.home import find_home

    place = find_home(home)
    _refuse_existing(place)
    chosen = _ask_all(Given(model, language, schedule, timezone, token, permission, yes))
    _write(place, chosen)
    print(f"\nWrote {place.config}")
    _print_invitation(place)
    print()
    if examine(place):
        raise typer.Exit(1)


def _refuse_existing(place: Home) -> None:
    from bot.errors import SettingsExist

    if place.config.exists():
        raise SettingsExist(str(place.config))


def _ask_all(given: Given) -> InitialSettings:
    """The answers, in the order of the questions. Raises AnswerInvalid for a wrong option."""
    from bot.initial_settings import InitialSettings, read_language, read_schedule, read_token, read_zone

    base = _ask_model(given)
    print("\n2. What does the bot speak in channels? en, de, or server (each server's own language).")
    language = _ask("Language", given.language, "server", read_language, yes=given.yes)
    print("\n3. When does it train? A time, a crontab expression, or off.")
    cron = _ask("Time", given.schedule, "04:00", read_schedule, yes=given.yes)
    zone = "" if cron is None else _ask("Time zone", given.zone, _local_zone(), read_zone, yes=given.yes)
    print("\n4. Where does the bot's token come from? environment (the variable DISCORD_TOKEN), systemd (a credential")
    print("   called discord_token), or the path of a file that holds the token alone.")
    token_file = _ask("Token", given.token, "environment", read_token, yes=given.yes)
    return InitialSettings(base, language, cron, zone, token_file, _ask_permission(given))


def _ask_model(given: Given) -> str:
    from bot.initial_settings import read_model
    from bot.machine import find_card, memory_here, torch_build, torch_problem
    from bot.model_offers import offers, recommended, table

    memory = memory_here()
    choice = offers(memory)
    reached = _hub_answers()
    first = recommended(choice, memory, hub=reached)
    print(f"1. Which base model? {memory.place} has {memory.total / 1e9:.1f} GB of memory.")
    if problem := torch_problem(find_card(), torch_build()):
        print(f"   Note: {problem}.")
    if not reached:
        print("   Note: the Hugging Face hub cannot be reached, and only the first needs no download from it.")
    print("\n".join(table(choice, memory, first)))
    print("   Another one: its Hugging Face id (owner/name), or a directory with its files.")
    names = [one.entry.base for one in choice]
    default = str(names.index(first.entry.base) + 1)
    return _ask("Model", given.model, default, lambda answer: read_model(answer, names), yes=given.yes)


def _ask_permission(given: Given) -> list[str] | None:
    """What is learned from: message content joins if Discord allowed it. None leaves the default."""
    from bot.initial_settings import read_yes_or_no
    from storage.origins import LEARNED_BY_DEFAULT, PERMITTED

    print(_RULE)
    wanted = None if given.permission is None else "yes" if given.permission else "no"
    if _ask("Has Discord given your application permission", wanted, "no", read_yes_or_no, yes=given.yes):
        return [*PERMITTED, *LEARNED_BY_DEFAULT]
    return None


def _ask(what: str, option: str | None, default: str, read: Callable[[str], T], *, yes: bool) -> T:
    """The answer as an option, by default, or from the keyboard until it can be read.

    Raises AnswerInvalid for an option that cannot be read, and where no more answers come.
    """
    from bot.errors import AnswerInvalid

    if option is not None or yes:
        found = read(default if option is None else option)
        print(f"   {what}: {default if option is None else option}")
        return found
    while True:
        try:
            answer = input(f"   {what} [{default}]: ").strip()
        except EOFError:
            raise AnswerInvalid(
                "There were no more answers: give them as options, or take the defaults with --yes."
            ) from None
        try:
            return read(answer or default)
        except AnswerInvalid as error:
            print(f"   {error}")


def _hub_answers() -> bool:
    """Whether models can be fetched from the Hugging Face hub now."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urllib.request.urlopen(constants.ENDPOINT, timeout=_HUB_S):  # noqa: S310 - the hub's own address
            return True
    except urllib.error.HTTPError:
        return True  # it answers, whatever it says
    except (OSError, ValueError):
        return False


def _local_zone() -> str:
    """This machine's zone by name; UTC where it has none."""
    from tzlocal import get_localzone_name

    try:
        return get_localzone_name() or "UTC"
    except Exception:  # noqa: BLE001 - tzlocal raises what the operating system's files make it raise
        return "UTC"


def _write(place: Home, chosen: InitialSettings) -> None:
    """Write the file whole or not at all. Raises HomeUnwritable, SettingsExist, SettingsInvalid."""
    from bot.errors import SettingsExist
    from bot.initial_settings import settings_file

    text = settings_file(chosen)
    place.ensure()
    descriptor, name = tempfile.mkstemp(dir=place.root, prefix=".nightshift.toml.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.link(name, place.config)  # unlike a rename it fails where somebody was quicker
    except FileExistsError:
        raise SettingsExist(str(place.config)) from None
    finally:
        Path(name).unlink()


def _print_invitation(place: Home) -> None:
    """The link by which the bot is invited; the id of its application is part of the token."""
    from bot.errors import TokenMissing, TokenUnreadable
    from bot.i18n.en.moderation import PERMISSIONS
    from bot.server.permissions import BOT_PERMISSIONS, invitation
    from bot.settings import load_settings
    from bot.token_sources import discord_token

    try:
        application = _application_id(discord_token(place, load_settings(place).discord).value)
    except (TokenMissing, TokenUnreadable):
        application = None
    print("\nInvite the bot to your server with this link:")
    print(f"  {invitation(application or 'APPLICATION_ID')}")
    if application is None:
        print("  In place of APPLICATION_ID goes the id of your application: Developer Portal, General Information.")
    print(f"It asks for {', '.join(PERMISSIONS[one] for one in BOT_PERMISSIONS)}, and nothing else.")


def _application_id(token: str) -> int | None:
    """The id in the first part of a token (Discord's reference, "Authentication"); None where it holds none."""
    head = token.partition(".")[0]
    try:
        text = base64.b64decode(head + "=" * (-len(head) % 4), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return int(text) if text.isdecimal() else None
