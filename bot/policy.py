"""A privacy policy and the answers to Discord's message content review, written from what is really set. Pure.

For the operator to check, complete and publish; no legal advice. Discord's Developer Terms want a privacy policy of
every application, and its review of the Message Content intent asks what these answers say.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bot.settings import Settings
from storage.origins import MESSAGE_CONTENT, POLICY, RULE
from storage.reply_records import Origin

__all__ = ["PolicyFacts", "intent_review", "privacy_policy"]

_ORIGINS: dict[Origin, str] = {
    "message": "messages in channels",
    "direct_message": "direct messages",
    "discord_export": "Discord conversations that another program exported",
    "command": "what is typed into the bot's commands and forms",
    "import": "material that the operator or a moderator imports",
    "moderator": "moderators' own wording",
    "bot": "the bot's own approved answers to these",
}


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """What the texts say, besides the settings.

    Attributes:
        learned: the origins that are learned from, Discord's permission counted in.
        encrypted: whether the database is encrypted on the disk.
        name: of the bot.
        contact: where people reach the operator.
    """

    learned: Collection[Origin]
    encrypted: bool
    name: str = "[name of your bot]"
    contact: str = "[how people reach you]"

    @property
    def learns_from_messages(self) -> bool:
        return bool(set(self.learned) & set(MESSAGE_CONTENT))


def privacy_policy(settings: Settings, facts: PolicyFacts) -> str:
    """The policy as Markdown."""
    sections = {
        "What is stored": [*_stored(settings, facts), *_looked_up(settings)],
        "Where, and for how long": [*_kept(settings, facts), *_backups(settings, facts)],
        "What it is used for": _used(settings, facts),
        "Who sees it": [
            (
                "Moderators of your server who can read the channel see the bot's answers there and what it was shown. "
                "Direct messages are shown to nobody."
            ),
            (
                "Nothing is sold or given to anybody. The language model runs on the operator's own machine; no "
                "message is sent to another service."
            ),
        ],
        "Your choices": _choices(settings, facts),
        "Contact": [f"{facts.name} is run by {facts.contact}. Questions and requests go there."],
    }
    head = [f"# Privacy policy of {facts.name}", "", f"{facts.name} is a bot on Discord that answers questions."]
    return "\n".join([*head, *_body(sections)]) + "\n"


def intent_review(settings: Settings, facts: PolicyFacts) -> str:
    """Answers to what Discord asks before it grants the Message Content intent, as Markdown."""
    answers = {
        "What does your application do?": [
            (
                f"{facts.name} answers when it is mentioned, replied to, asked with `/ask`"
                f"{' or written to directly' if settings.discord.direct_messages else ''}. Moderators review its "
                "answers, and a language model on our own machine is adapted to the approved ones, as described below."
            )
        ],
        "Why does it need message content?": _need(settings),
        "Do you store message content, and for how long?": [*_kept(settings, facts), *_backups(settings, facts)],
        "Is it encrypted at rest?": [_at_rest(facts)],
        "Do you use message content to train machine learning or AI models?": _trained(settings, facts),
        "How can users opt out, and have their data deleted?": _choices(settings, facts),
        "Do you share data with third parties?": ["No. The model runs on our own machine."],
    }
    return "\n".join(["# Answers for Discord's review of the Message Content intent", *_body(answers)]) + "\n"


def _body(sections: dict[str, list[str]]) -> list[str]:
    lines: list[str] = []
    for title, points in sections.items():
        lines += ["", f"## {title}", "", *(f"- {point}" for point in points)]
    return lines


def _stored(settings: Settings, facts: PolicyFacts) -> list[str]:
    seen = "the reply chain of the question, or else "
    recent = settings.discord.context_messages
    around = (
        f"{seen}up to {recent} messages before it in the same channel" if recent else "the reply chain of the question"
    )
    if recent and settings.discord.ask_history == "never":
        around += " (with `/ask`, the question alone)"
    elif recent and settings.discord.ask_history == "auto" and not facts.learns_from_messages:
        around += " (with `/ask`, the question alone on servers that the bot learns from)"
    if not settings.discord.message_content:
        around += ", as far as Discord shows them to an application without the Message Content intent"
    points = [
        f"Each answer of the bot, with the messages it was shown: the question and {around}.",
        "The Discord ids of who wrote them, of the messages, the channel and the server.",
        "What moderators said about an answer, and what you chose with `/privacy`.",
        (
            "Of these messages: their text, polls, forwarded messages, embeds of other bots, and long texts that "
            "Discord turned into the file message.txt. Of other attachments and stickers, the names only."
        ),
        "No other messages, no presence and no member lists.",
    ]
    if not settings.discord.direct_messages:
        points.append("Direct messages are not answered and not stored.")
    return points


def _looked_up(settings: Settings) -> list[str]:
    """Examples and documents: both are kept in the database, and shown to the model with a question."""
    memory = settings.memory
    points = []
    if memory.examples:
        whose = "of conversations in which everyone opted in" if settings.consent == "members" else "of the server"
        points.append(
            f"With a question, the model is shown up to {memory.examples} approved answers {whose} to similar "
            "questions on the same server. Nothing from a channel that the asker, or anybody who sees the answer, "
            "cannot read."
        )
    if memory.chunks:
        points.append(
            "Documents that moderators add, which may be messages of a channel or its pinned ones; up to "
            f"{memory.chunks} parts of them are shown to the model with a question. They are kept until a moderator "
            "removes them, their message is deleted, or its author asks for that."
        )
    return points


def _kept(settings: Settings, facts: PolicyFacts) -> list[str]:
    days = settings.privacy.retention_days
    kept = (
        f"An answer that nobody reviewed is deleted after {days:g} days, unless everyone in it opted in. A reviewed "
        "one is kept until somebody in it has it deleted."
        if days
        else "Answers are kept until somebody in them has them deleted."
    )
    deleted = "A message that is deleted on Discord is removed from storage at once"
    away = ", and at the next start if the bot was offline" if settings.privacy.look_back else ""
    return [f"In a database on the operator's own machine. {_at_rest(facts)}", kept, f"{deleted}{away}."]


def _at_rest(facts: PolicyFacts) -> str:
    if facts.encrypted:
        return (
            "The database is encrypted (AES-256). Trained adapters and log files are not. [Say whether their disk is.]"
        )
    return "The database itself is not encrypted. [Say whether its disk is.]"


def _backups(settings: Settings, facts: PolicyFacts) -> list[str]:
    backup = settings.backup
    if not backup.directory:
        return []
    how = "encrypted backups" if backup.recipient else "backups that are not encrypted"
    if facts.encrypted and not backup.recipient:
        how = "backups in which the database is encrypted"
    return [
        f"The bot makes {how}, each deleted after {backup.keep_days:g} days; until then they hold what was deleted."
    ]


def _used(settings: Settings, facts: PolicyFacts) -> list[str]:
    return ["To answer, and to let moderators review the answers.", *_trained(settings, facts)]


def _trained(settings: Settings, facts: PolicyFacts) -> list[str]:
    learned = ", ".join(_ORIGINS[one] for one in _ORIGINS if one in facts.learned)
    points = [
        f"The language model is trained on approved pairs of question and answer, made of: {learned or 'nothing'}."
    ]
    if facts.learns_from_messages:
        points.append(
            "Message content is among these, since Discord has given this application its express permission. "
            "[Say when and how it was given.]"
        )
    else:
        points.append(
            "Message content obtained through Discord's APIs is never used for training, as "
            f"[Discord's Developer Policy]({POLICY}) demands in rule 21: \u201c{RULE}\u201d"
        )
    if settings.consent == "members":
        points.append("A pair is used only if everyone in it opted in. Nobody is opted in from the start.")
    else:
        points.append("Members are not asked one by one: the operator has their permission by [say how].")
    return points


def _choices(settings: Settings, facts: PolicyFacts) -> list[str]:
    points = [
        "`/privacy status` shows how much of yours is stored, `/privacy export` gives you all of it as a file.",
        (
            "`/privacy forget` deletes your messages, the answers to you and what repeats them. What was trained on "
            "them is retired after the next successful training."
        ),
        f"Or write to {facts.contact}.",
    ]
    if settings.consent == "members":
        points.insert(
            1, "`/privacy opt-in` and `/privacy opt-out` decide whether anything of yours is used for training."
        )
    if settings.privacy.introduce:
        points.append("The bot's first answer to you says in one line how this works.")
    return points


def _need(settings: Settings) -> list[str]:
    if not settings.discord.message_content:
        return ["It does not ask for this intent: mentions, replies, direct messages and commands arrive without it."]
    recent = settings.discord.context_messages
    before = f"up to {recent} messages before a question" if recent else "the messages that a question replies to"
    return [
        f"To read {before}, so that the answer fits the conversation.",
        "In channels where administrators chose it, to answer to its name or to every message.",
        "Mentions, replies that ping it, direct messages and commands work without the intent.",
    ]
