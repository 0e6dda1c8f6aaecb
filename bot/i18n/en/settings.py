"""Every sentence that /settings shows. See bot/i18n/en/texts.py, whose rules hold here too."""

from __future__ import annotations

from bot.i18n.language import in_every_language

ONE_TARGET = "Name either a channel or a role, and I will set it for that one."
NOTHING_GIVEN = "Name what to change: a cooldown, a quota, or a role with its quota."
ALLOWED_GONE = (
    "The last channel or role on the list of those I answer was deleted. The list is empty now and keeps nobody out: "
    "`/settings access` makes a new one."
)
LISTS_EMPTY = "Nothing is on either list any more: I answer everywhere, and everybody."
BACK_TO_DEFAULT = "Back to the default."

PERSONA_TITLE = "Who should I be?"
PERSONA_LABEL = "What I am told before every conversation"
PERSONA_HINT = "You are the friendly bot of a woodworking community. Keep it short."
PERSONA_SET = "I will be that from my next answer on."

TALK = {
    "off": "I answer in {channel} when I am mentioned or replied to.",
    "name": "I answer in {channel} also when a message begins or ends with my name.",
    "always": "I answer every message in {channel} that is not meant for somebody else.",
}

SHOWN_TITLE = "My settings here"
SHOWN_PERSONA = "Persona"
SHOWN_ANSWERS = "Answers"
SHOWN_TALK = "This channel"
SHOWN_LIMITS = "Each member"
SHOWN_LISTS = "Where and to whom"
NO_PERSONA = "(none)"
EVERYWHERE = "everywhere, to everybody"


def talk(mode: str, channel: str, cooldown: float) -> str:
    pause = f" After each such answer I wait {cooldown:g} s." if cooldown and mode != "off" else ""
    return TALK[mode].format(channel=channel) + pause


def answers(temperature: float, length: int) -> str:
    return f"Temperature {temperature:g}, at most {length} tokens an answer."


def answer_too_long(length: int, context: int, longest: int) -> str:
    """Why an answer of `length` tokens cannot be set; `context` is what conversation and answer share."""
    left = f"an answer of {length:,} would leave {max(0, context - length):,} for what was said before"
    held = f"I can hold {context:,} tokens at a time, conversation and answer together"
    return f"{held}: {left}. Choose at most {longest:,}."


def answers_set(temperature: float, length: int) -> str:
    return f"From my next answer on: {answers(temperature, length)}"


def limits(cooldown: float, quota: int, roles: list[tuple[str, int]]) -> str:
    lines = [f"Cooldown: {cooldown:g} s" if cooldown else "Cooldown: none", f"Answers a day: {_quota(quota)}"]
    lines += [f"{role}: {_quota(number)}" for role, number in roles]
    return "\n".join(lines)


def _quota(number: int) -> str:
    return str(number) if number else "no limit"


def lists(allowed: list[str], denied: list[str]) -> str:
    lines = [f"Only: {', '.join(allowed)}"] if allowed else []
    lines += [f"Not: {', '.join(denied)}"] if denied else []
    return "\n".join(lines) or EVERYWHERE


def access_set(rule: str, what: str) -> str:
    return {
        "allow": f"{what} is on the list of those I answer; what is not on it, I leave alone.",
        "deny": f"I leave {what} alone from now on.",
        "clear": f"{what} is on no list any more.",
    }[rule]


in_every_language(__name__)
