"""Writes docs/settings.md: every setting with its default, its bounds and what it is for.

Run by `make settings`, after a setting was added or changed. A test compares the page with the classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bot.settings import Settings
from trainer.setting_descriptions import SettingDescription, describe

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).parent / "settings.md"
_TOP = """# Settings

All settings stand in `nightshift.toml` in the home. `nightshift init` writes one, `nightshift doctor` checks it. None
is needed: each has a default. A variable of the environment goes over the file: `NIGHTSHIFT_MODEL__BASE=...` is `base`
under `[model]`, and `NIGHTSHIFT_CONSENT=...` is `consent` at the top. A list has commas
between its parts or is JSON: `NIGHTSHIFT_TRAINING__SERVERS=1,2`.

A name that does not exist is refused with the nearest one that does, and so is a value outside its bounds. A path
without `/` or `~` at its start is read from the home. The token is no setting: [On Discord](discord.md#the-token) says
where it comes from. Where `none` is the default under `[training]`, the recipe chooses by the size of data and model.

This page is made from the program by `make settings`.
"""
_HEADER = ("| setting | kind | default | bounds | what it is |", "| --- | --- | --- | --- | --- |")


def page(settings: Sequence[SettingDescription]) -> str:
    """The page in Markdown: one table for each section."""
    parts = [_TOP.strip()]
    for section, rows in groupby(settings, key=lambda one: one.section):
        title = f"`[{section}]`" if section else "At the top of the file"
        parts += [
            "",
            f"## {title}",
            "",
            "| setting | kind | default | bounds | what it is |",
            "| --- | --- | --- | --- | --- |",
        ]
        parts += [_row(one) for one in rows]
    return "\n".join(parts) + "\n"


def _row(one: SettingDescription) -> str:
    cells = (f"`{one.name}`", one.kind, f"`{one.default}`", one.bounds, one.sentence)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(page(describe(Settings)), encoding="utf-8")
    print(PAGE)
