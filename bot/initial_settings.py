"""The first settings of a home: answers as a person gives them, and the commented file that they become. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from bot.errors import AnswerInvalid
from bot.i18n.language import Language
from bot.settings import Settings
from model.catalog import catalog_entry
from trainer.errors import ScheduleInvalid, SettingsInvalid
from trainer.schedule import WallClock
from trainer.setting_descriptions import SettingDescription, describe, toml_value
from trainer.setting_names import sentence_of
from trainer.settings import ScheduleConfig

__all__ = [
    "InitialSettings",
    "read_language",
    "read_model",
    "read_schedule",
    "read_token",
    "read_yes_or_no",
    "read_zone",
    "settings_file",
]

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_HUB = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_SHOWN = (
    ".persona", ".consent", "model.context_tokens", "training.servers", "training.learn_from", "training.min_pairs",
    "discord.moderator_role", "discord.review_channel", "discord.message_content", "generation.max_new_tokens",
    "generation.temperature", "privacy.retention_days",
)  # fmt: skip
"""Settings that stand in the file as comments, beside the answers."""


@dataclass(frozen=True, slots=True)
class InitialSettings:
    """The answers. `cron` is None for a bot that trains only when told to; `token_file` "" for the other sources."""

    base: str = "embedded"
    language: str = ""
    cron: str | None = "0 4 * * *"
    zone: str = ""
    token_file: str = ""
    learn_from: Sequence[str] | None = None


def read_model(answer: str, offered: Sequence[str]) -> str:
    """A number of the list, an id on the hub, a directory or a GGUF file. Raises AnswerInvalid."""
    answer = answer.strip()
    if answer.isdecimal():
        if not 1 <= int(answer) <= len(offered):
            raise AnswerInvalid(f"There is no model {answer} in the list: give a number from 1 to {len(offered)}.")
        return offered[int(answer) - 1]
    if (known := catalog_entry(answer)) is not None and "@" not in answer:
        return known.base
    path = Path(answer).expanduser()
    if path.is_dir() or (path.suffix == ".gguf" and path.is_file()):
        return str(path.absolute())
    if not _HUB.fullmatch(answer):
        raise AnswerInvalid(
            f"{answer!r} is no model: give a number of the list, a Hugging Face id (owner/name), or a directory."
        )
    return answer


def read_language(answer: str) -> str:
    """`en`, `de`, or `server` for what each server has set. Raises AnswerInvalid."""
    answer = answer.strip().casefold()
    if answer in ("", "server"):
        return ""
    if answer in get_args(Language):
        return answer
    raise AnswerInvalid(f"{answer!r} is no language of the bot: give {', '.join(get_args(Language))} or server.")


def read_schedule(answer: str) -> str | None:
    """A time such as 04:00, a crontab expression, or `off`; returns the crontab expression. Raises AnswerInvalid."""
    answer = answer.strip()
    if answer.casefold() in ("off", "never"):
        return None
    if found := _TIME.fullmatch(answer):
        return f"{int(found[2])} {int(found[1])} * * *"
    try:
        WallClock.parse(ScheduleConfig(cron=answer))
    except ScheduleInvalid:
        raise AnswerInvalid(
            f"{answer!r} is no time: give one like 04:00, a crontab expression like '0 4 * * 1-5', or off."
        ) from None
    return answer


def read_zone(answer: str) -> str:
    """The name of a time zone. Raises AnswerInvalid."""
    answer = answer.strip()
    try:
        WallClock.parse(ScheduleConfig(timezone=answer))
    except ScheduleInvalid as error:
        raise AnswerInvalid(str(error)) from None
    return answer


def read_token(answer: str) -> str:
    """`environment`, `systemd`, or the path of a file; returns the path, "" for the others. Raises AnswerInvalid."""
    answer = answer.strip()
    if answer.casefold() in ("environment", "systemd"):
        return ""
    if not answer or (len(answer) > 60 and "/" not in answer and "." in answer):
        raise AnswerInvalid(
            "Give where the token is found, not the token itself: environment, systemd, or the path of a file."
        )
    return answer


def read_yes_or_no(answer: str) -> bool:
    """`yes` or `no`, or their first letters. Raises AnswerInvalid."""
    answer = answer.strip().casefold()
    if answer and any(word.startswith(answer) for word in ("yes", "no")):
        return answer.startswith("y")
    raise AnswerInvalid("Please answer yes or no.")


def settings_file(chosen: InitialSettings) -> str:
    """`nightshift.toml` with these answers, each with its sentence, and other settings as comments.

    Raises SettingsInvalid for answers that do not go together.
    """
    known = {f"{one.section}.{one.name}": one for one in describe(Settings)}
    answers = {name: value for name, value in _answers(chosen).items() if name in known}
    lines = ["# Settings of Nightshift. Lines that begin with # are the defaults; docs/settings.md has all of them."]
    for section in dict.fromkeys(one.section for one in known.values()):
        inside = [one for name, one in known.items() if one.section == section and (name in answers or name in _SHOWN)]
        if inside:
            lines += ["", *([f"[{section}]"] if section else [])]
            lines += [line for one in inside for line in _lines(one, answers)]
    text = "\n".join(lines) + "\n"
    _check(text)
    return text


def _answers(chosen: InitialSettings) -> dict[str, object]:
    """What is written as a value, not as a comment."""
    answers: dict[str, object] = {"model.base": chosen.base}
    if chosen.cron is None:
        answers["schedule.enabled"] = False
    else:
        answers |= {"schedule.cron": chosen.cron, "schedule.timezone": chosen.zone}
    if chosen.language:
        answers["discord.language"] = chosen.language
    if chosen.token_file:
        answers["discord.token_file"] = chosen.token_file
    if chosen.learn_from is not None:
        answers["training.learn_from"] = list(chosen.learn_from)
    return answers


def _lines(one: SettingDescription, answers: dict[str, object]) -> Iterator[str]:
    name = f"{one.section}.{one.name}"
    yield f"# {one.sentence}"
    if name in answers:
        yield f"{one.name} = {toml_value(answers[name])}"
    else:
        yield f"# {one.name} = {'...' if one.default == 'none' else one.default}"


def _check(text: str) -> None:
    try:
        Settings(**tomllib.loads(text))
    except ValidationError as error:
        raise SettingsInvalid(f"{sentence_of(error)}.") from None
