"""`health`: whether the bot of a home is well, for a container's or a monitor's check. Quick: it opens nothing."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import typer

from bot.cli.options import HomeOption, JsonOption, ShardsOption

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(health)


def health(as_json: JsonOption = False, shards: ShardsOption = "", home: HomeOption = None) -> None:
    """Say whether the bot is running and well; exit code 1 if it is not."""
    from bot.health_file import read_health
    from storage.files.home import find_home

    place = find_home(home)
    found = read_health(place.part(shards).health)
    complaint = f"No bot is running on {place.root}." if found is None else found.complaint(time.monotonic())
    connected = found is not None and found.connected
    if as_json:
        print(json.dumps({"well": complaint is None, "complaint": complaint, **(asdict(found) if found else {})}))
    else:
        print(complaint or f"Well; {'connected to' if connected else 'not connected to'} Discord.")
    if complaint:
        raise typer.Exit(1)
