"""Every sentence that /settings shows. See bot/i18n/en/texts.py, whose rules hold here too."""

from __future__ import annotations

from bot.i18n.language import in_every_language

ONE_TARGET = "Please choose either a channel or a role, not both."
NOTHING_GIVEN = "Please say what to change: a cooldown, a quota, or a role with its quota."
ALLOWED_GONE = (
    "The last channel or role on my allow list was deleted. The list is empty now, so I answer everyone. "
    "You can make a new list with `/settings access`."
)
LISTS_EMPTY = "Both lists are empty now. I answer everyone, everywhere."
BACK_TO_DEFAULT = "Back to the default."

PROFILE_SET = "Done. This is how I look on this server."
PROFILE_FORBIDDEN = "For that I need the permission Change Nickname on this server."
PROFILE_NOT_TAKEN = "Discord did not accept that. It allows only a few changes an hour, and not every name or image."

PERSONA_TITLE = "Who should I be?"
PERSONA_LABEL = "Instructions for every conversation"
PERSONA_HINT = "You are the friendly bot of a woodworking community. Keep it short."
PERSONA_SET = "Saved. I will use this from my next answer on."

TALK = {
    "off": "In {channel}, I answer when someone mentions me or replies to me.",
    "name": "In {channel}, I also answer messages that begin or end with my name.",
    "always": "In {channel}, I answer every message that is not meant for someone else.",
}

SHOWN_TITLE = "My settings here"
SHOWN_PERSONA = "Persona"
SHOWN_ANSWERS = "Answers"
SHOWN_TALK = "This channel"
SHOWN_REVIEW = "Before I post"
SHOWN_LIMITS = "Each member"
SHOWN_LISTS = "Where and to whom"
HELD = "I post my answers in this channel once they are approved."
NO_PERSONA = "(none)"
EVERYWHERE = "everyone, everywhere"


def talk(mode: str, channel: str, cooldown: float) -> str:
    pause = f" After each of these answers I wait {cooldown:g} s." if cooldown and mode != "off" else ""
    return TALK[mode].format(channel=channel) + pause


def answers(temperature: float, length: int) -> str:
    return f"Temperature {temperature:g}, at most {length} tokens per answer."


def answer_too_long(length: int, context: int, longest: int) -> str:
    """Why an answer of `length` tokens cannot be set; `context` is what conversation and answer share."""
    left = f"An answer of {length:,} would leave {max(0, context - length):,} for the conversation"
    held = f"Conversation and answer share {context:,} tokens"
    return f"{held}. {left}. Please choose at most {longest:,}."


UNSURE_WITHOUT_LOOKUP = "To judge that, I need to look things up, but my operator has switched lookups off."


def profile_image(megabytes: int) -> str:
    return f"Please choose a PNG, JPEG, GIF or WebP image of at most {megabytes} MB."


def unsure_set(threshold: float) -> str:
    if not threshold:
        return "I answer every question myself."
    return (
        f"When my answer is less than {threshold:.0%} likely to be right, I ask the moderators first. "
        "So my answers here appear only once they are complete."
    )


def answers_set(temperature: float, length: int) -> str:
    return f"From my next answer on: {answers(temperature, length)}"


def limits(cooldown: float, quota: int, roles: list[tuple[str, int]]) -> str:
    lines = [f"Cooldown: {cooldown:g} s" if cooldown else "Cooldown: none", f"Answers per day: {_quota(quota)}"]
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
        "allow": f"{what} is on the allow list. I only answer what is on that list.",
        "deny": f"I no longer answer {what}.",
        "clear": f"{what} is no longer on a list.",
    }[rule]


in_every_language(__name__)
