"""`doctor`: looks at everything Nightshift needs and says how to fix what is broken.

As every command does, it makes the folders of the home and brings the database to this version. It repairs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from bot.cli.library_logs import silence_libraries
from bot.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from bot.diagnosis.finding import Finding
    from storage.files.home import Home

__all__ = ["examine", "register"]

_MARKS = {"good": "ok  ", "note": "note", "broken": "FAIL"}


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(doctor)


def doctor(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Check this installation and say how to fix problems.

    Looks at Python, torch and the driver, the card, 4-bit kernels, memory, model, disk, home, settings, database,
    clock, token, intents, commands, and on each server the review channel and who sees the commands.
    """
    from storage.files.home import find_home

    if examine(find_home(home), as_json=as_json):
        raise typer.Exit(1)


def examine(home: Home, *, as_json: bool = False) -> int:
    """Look at everything, print what was found as it is found, and give the number of broken things."""
    silence_libraries()
    seen: list[Finding] = []
    for finding in _findings(home):
        seen.append(finding)
        if not as_json:
            print(f"{_MARKS[finding.state]}  {finding.subject:<10}{finding.text}", flush=True)
    broken = sum(one.state == "broken" for one in seen)
    if as_json:
        print(json.dumps({"broken": broken, "findings": [asdict(one) for one in seen]}))
    elif broken:
        print(f"\n{broken} problem{'s' if broken > 1 else ''} to fix before Nightshift can run.")
    else:
        print("\nNightshift can work here.")
    return broken


def _findings(home: Home) -> Iterator[Finding]:
    """In the order in which things are needed; what depends on settings that cannot be read is left out."""
    from bot.diagnosis import home as place
    from bot.diagnosis import machine
    from bot.diagnosis.finding import Finding, looked
    from bot.settings import load_settings
    from trainer.errors import TrainerError

    yield looked("python", machine.python)
    try:
        settings = load_settings(home)
    except TrainerError as error:
        yield looked("torch", machine.torch)
        yield looked("disk", lambda: place.disk(home))
        yield looked("home", lambda: place.home(home))
        yield Finding("broken", "settings", str(error))
        return
    from bot.diagnosis.discord import discord_findings
    from bot.diagnosis.model import base_model, embedding_model, model_server

    wanted = settings.model.device
    yield looked("torch", lambda: machine.torch(wanted))
    yield looked("device", lambda: machine.device(wanted))
    yield looked("kernels", lambda: machine.kernels(wanted))
    yield looked("memory", lambda: machine.memory(home, settings))
    yield looked("model", lambda: base_model(home, settings))
    if settings.engine.url:
        yield looked("server", lambda: model_server(home, settings))
    yield looked("embedder", lambda: embedding_model(settings))
    yield looked("disk", lambda: place.disk(home, settings.model.base))
    yield looked("home", lambda: place.home(home))
    yield looked("settings", lambda: place.settings_source(home, settings))
    yield looked("database", lambda: place.database(home, settings))
    yield looked("adapter", lambda: place.adapter(home, settings))
    yield from discord_findings(home, settings)
