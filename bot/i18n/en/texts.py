"""Every sentence a person on Discord reads, in one place.

The rest of the bot names these and never writes its own, so that wording is reviewed here and can be translated
here. This file knows no Discord objects and no settings: functions take the plain values they mention.
"""

from __future__ import annotations

from bot.i18n.language import in_every_language

# Notices in a channel start with this mark. A notice is the bot speaking about itself, so it is left out
# of later conversations (bot/chat/context.py) and is never a reply that moderators could approve. The invisible sign
# in it is taken out of whatever a model writes (bot/discord_io/sanitize.py): no answer can be mistaken for a notice.
OWN_MARK = "\u2063"
NOTICE = f"\u26a0\ufe0f{OWN_MARK} "

# --- answers -----------------------------------------------------------------------------------------------

ASK_ME = NOTICE + "Write your question in the same message as my name, and I will answer it."
BUSY = NOTICE + "I have more questions waiting than I can hold right now. Please ask again in a minute."
TOO_LONG = NOTICE + "That message is longer than I can read. Please ask with a shorter one."
CLOSING = NOTICE + "I am shutting down for a moment. Please ask again soon."
FAILED = NOTICE + "Something went wrong while I was answering, sorry. Please ask again."
RESTARTING = NOTICE + "I have to restart the part of me that answers. Please ask again in a minute."
SILENT = NOTICE + "I could not find words for that one. Please try to put it differently."

STOPPED = NOTICE + "Stopped. Ask again whenever you like."
INTERRUPTED = NOTICE + "I was interrupted here. Please ask again."
NOT_TAKEN = NOTICE + "Discord does not let me show my answer here, sorry."
STOP = "Stop"
AGAIN = "Try another"
MORE = "Go on"
DELETE = "Delete"
NOT_YOURS = "Only the one who asked, or a moderator, can do that."
NOT_WRITING = "That answer is no longer being written."
ALREADY = "I am already writing there. One moment please."
ANSWER_GONE = "I no longer have what led to that answer. Please ask again."
NOT_HERE = "I am not set up to answer you in this channel. An administrator can change that with `/settings`."
NO_DIRECT = "I do not answer direct messages. Please ask me on a server that we share."
_ASKED = "> "  # a line of Discord's quotation


def too_soon(seconds: int) -> str:
    return f"One moment please: you can ask again in {seconds} s."


def too_many(at_once: int) -> str:
    return f"I am still on {at_once} questions of yours. Please ask again when one of them is answered."


CROWDED = BUSY.removeprefix(NOTICE)


def quota_used(quota: int, until: int) -> str:
    """`until` is a Unix time; Discord shows it in the reader's own time zone."""
    used = f"You have had today's {quota:,} answers from me."
    if quota == 1:
        used = "You have used up today's answers from me: there is one a day."
    return f"{used} You can ask again <t:{until}:R>."


def queue_place(place: int) -> str:
    return f"{NOTICE}I will get to you: you are number {place} in the queue."


FORWARDED = "Forwarded message"


def enclosed(kind: str, name: str) -> str:
    """How an attachment is named to the model; `kind` is image, video, audio, file, sticker or poll."""
    return f"[{kind}: {name}]"


def asked(question: str) -> str:
    """What stands above the answer to /ask, since Discord does not show the question."""
    return f"{_ASKED}{question}\n"


def asked_and_answered(content: str) -> tuple[str, str]:
    """Question and answer of a message that begins with `asked`; the question is empty where there is none."""
    question, _, answer = content.partition("\n") if content.startswith(_ASKED) else ("", "", content)
    return question.removeprefix(_ASKED), answer


# --- review ------------------------------------------------------------------------------------------------

APPROVE = "Approve"
EDIT = "Edit"
REJECT = "Reject"
VERDICTS = {"approve": "Approved", "edit": "Edited", "reject": "Rejected"}
PENDING = "Waiting for a verdict"
REMOVED = "No longer stored"
REMOVED_PARTLY = "Not to be learned from: words in it were removed"
REMOVED_WHY = "Words in it were removed, so there is nothing left to review."

CARD_CORRECTED = "Should have said"
CARD_REPLY = "Reply"
CARD_JUMP = "Jump to it"
NO_WORDS = "(no words)"
SOMEBODY = "Somebody"
BASE_MODEL = "base model"

EDIT_TITLE = "What should I have said?"
EDIT_LABEL = "The answer to learn from"
EDIT_TOO_LONG = "This reply is longer than the 4,000 characters a Discord form can hold, so it cannot be edited here."
EDIT_EMPTY = "An empty answer cannot be learned from. To keep this reply out of training, use Reject."

NOT_MY_REPLY = "That is not one of my replies. Use this on a message in which I answered someone."
NOT_RECORDED = "I have no record of that reply yet. If I am still writing it, try again when I have finished."
OTHER_SERVER = "That reply was given on another server. Only its own moderators can review it."
OTHER_CHANNEL = "That reply was given in a channel that you cannot read or do not moderate, so you cannot review it."
REPLY_GONE = "That reply is no longer stored, so there is nothing to review."

RECORDED = {
    "approve": "Approved. I will learn from this reply.",
    "edit": "Saved. I will learn your wording; the message in the channel stays as it is.",
    "reject": "Rejected. I will not learn from this reply.",
}

# --- commands ----------------------------------------------------------------------------------------------

TRAINING_STARTED = "A training run has started. I keep answering meanwhile and tell you how it ends."
TRAINING_BUSY = "A training run is already going on. Its result will be announced when it ends."
NOTHING_TO_ROLL_BACK = "There is no earlier adapter to go back to: the bare base model is already answering."
SERVER_ONLY = "This works only on a server."
NOT_ADMINISTRATOR = "Only administrators can do that: it needs the permission Manage Server."
DISK_FULL = "The disk of the machine I run on is full, so this was not stored. Please tell whoever runs me."
DATABASE_BROKEN = "My database cannot be read or written at the moment. Please tell whoever runs me."
DATABASE_BUSY = "My database was busy for too long, so this was not done. Please try again in a minute."
FAILED_COMMAND = (
    "Something went wrong, sorry. I cannot say how much of it was done, so look before you try again; "
    "the log on the bot's machine says more."
)


def not_moderator(role: str | None) -> str:
    """Why a member may not review; `role` is the moderator role's name, where one is set."""
    who = f"the role {role} or the permission Manage Messages" if role else "the permission Manage Messages"
    return f"Only moderators can do that: it needs {who} here."


def verdict_line(verdict: str, reviewer: str) -> str:
    return f"{VERDICTS[verdict]} by {reviewer}"


def adapter_name(adapter: str | None) -> str:
    return f"`{adapter}`" if adapter else BASE_MODEL


def adapter_changed(adapter: str | None, kind: str, reason: str, milliseconds: float) -> str:
    """The notice that another adapter answers from now on. `kind` is the promotion's kind."""
    how = {
        "gate": "A newly trained adapter won",
        "use": "An operator chose another adapter",
        "rollback": "An adapter was rolled back",
    }.get(kind, "The adapter changed")
    why = f"\nReason: {reason}" if reason else ""
    return f"**{how}.** {adapter_name(adapter)} answers from now on (swapped in {milliseconds:.0f} ms).{why}"


def adapter_refused(adapter: str | None, sentence: str, answering: str | None = None) -> str:
    """The notice that the adapter chosen last does not answer; `answering` is the one that does (None: the base)."""
    who = adapter_name(answering) if answering else "The base model"
    return f"**{adapter_name(adapter)} could not be loaded.** {who} goes on answering. {sentence}"


BACKGROUND = {
    "outbox": "Showing on Discord what is not shown there yet",
    "retention": "Deleting replies that are too old",
    "erase": "Erasing removed words from the database file",
    "adapter": "Looking for a new adapter",
    "deleted": "Looking for messages that were deleted while I was away",
    "night": "The nightly training",
}


def background_failed(name: str) -> str:
    return f"**{BACKGROUND.get(name, name)} failed**, and is tried again later. The log on the bot's machine says more."


def engine_failed(sentence: str) -> str:
    return f"**The engine failed** and is being started again; nothing is answered meanwhile. {sentence}"


ENGINE_BACK = "**The engine is back** and answers again."


def engine_lost(sentence: str) -> str:
    return (
        "**The engine could not be started again**, so the bot ends now. Whoever runs it has to start it again. "
        f"{sentence}"
    )


def training_ended(outcome: str, reason: str) -> str:
    how = {
        "promoted": "Training ended: the new adapter won and is in use.",
        "kept": "Training ended: the new adapter is not used.",
        "skipped": "Training was skipped.",
        "failed": "Training failed.",
    }.get(outcome, "Training ended.")
    return f"**{how}** {reason}".rstrip()


def rolled_back(adapter: str | None) -> str:
    return f"Rolled back: {adapter_name(adapter)} answers from now on."


def rollback_reason(actor: str) -> str:
    return f"asked for by {actor}"


# --- /status -----------------------------------------------------------------------------------------------

STATUS_TITLE = "Nightshift"
STATUS_FAILED = "⚠️ The engine failed and answers nothing until it is started again."
STATUS_MODEL = "Base model"
STATUS_ADAPTER = "Adapter"
STATUS_QUEUE = "Answers"
STATUS_PAIRS = "Replies"
STATUS_LAST = "Last training"
STATUS_NEXT = "Next training"
STATUS_SPEED = "Speed"
STATUS_MEMORY = "Memory"
STATUS_SWAP = "Last swap"
STATUS_LEARNING = "Learning"
NOT_LEARNING_HERE = (
    "I do not learn from this server: nothing said, approved or imported here is used for training. Whoever runs me "
    "names the servers I learn from."
)
RUN_NOW = "running now"
NEVER = "never"
NOT_PLANNED = "not planned"


def queue(active: int, queued: int) -> str:
    return f"{active} in progress\n{queued} waiting"


def pairs(pending: int, approved: int, rejected: int, eligible: int) -> str:
    return f"{pending} to review\n{approved} approved\n{rejected} rejected\n{eligible} ready for training"


def speed(tokens_per_second: float, slots: int) -> str:
    measured = f"{tokens_per_second:.0f} tokens/s" if tokens_per_second else "not measured yet"
    return f"{measured}\n{slots} at once"


def memory(bytes_: int) -> str:
    return f"{bytes_ / 2**30:.1f} GB" if bytes_ >= 2**30 else f"{bytes_ / 2**20:.0f} MB"


def minutes(count: float) -> str:
    return f"{count:.0f} min" if count >= 1 else "less than a minute"


def swap(adapter: str | None, pause_ms: float, waited_ms: float) -> str:
    return f"{adapter_name(adapter)}\n{pause_ms:.0f} ms, after waiting {waited_ms:.0f} ms"


def last_run(outcome: str | None, when: str, reason: str | None) -> str:
    text = f"{outcome or 'unfinished'} {when}"
    return f"{text}\n{reason}" if reason else text


# --- privacy -----------------------------------------------------------------------------------------------

# A line under an answer starts with this mark and, like a notice, is left out of later conversations.
ASIDE = f"\n-# \U0001f319{OWN_MARK} "


def without_aside(content: str) -> tuple[str, str]:
    """A message's text, and the line below it that is no part of the answer (empty where there is none)."""
    if content.startswith(ASIDE.lstrip()):  # the last part of a long answer may hold nothing else
        return "", f"\n{content}"
    text, mark, line = content.partition(ASIDE)
    return text, mark + line


UNSTORED = f"{ASIDE}I could not keep this answer, so nobody can review it. Whoever runs me finds the reason in the log."
EXPORTED = "This is everything I have stored of you: your messages, my answers to them, and what you decided."
FORGET_YES = "Forget me"
FORGET_NO = "Keep everything"
FORGET_KEPT = "Nothing was changed."
FORGET_TIMED_OUT = "Nothing was changed: there was no answer. Use `/privacy forget` again whenever you like."


def exported_part(number: int, parts: int) -> str:
    """Where the file is larger than Discord takes."""
    return f"{EXPORTED} It is too large for one file. Part {number} of {parts}: put them together in this order."


def introduction(operator_consents: bool) -> str:
    """One line for somebody who is answered for the first time."""
    if operator_consents:
        return (
            f"{ASIDE}I learn overnight from answers that moderators approve. "
            "What I keep of yours, and how to remove it: `/privacy status`"
        )
    return (
        f"{ASIDE}I learn overnight from answers that moderators approve, yours only if you allow it: "
        "`/privacy opt-in` (more: `/privacy status`)"
    )


def privacy_in(operator_consents: bool) -> str:
    if operator_consents:
        return "Noted, thank you: you opted in. The operator has set that every approved reply may be used anyway."
    return (
        "You opted in. Replies to you that moderators approve may be used to train me, together with your "
        "messages that led to them. Change your mind at any time with `/privacy opt-out`."
    )


def privacy_out(operator_consents: bool) -> str:
    if operator_consents:
        return (
            "Noted: you opted out. But the operator of this bot has set that every approved reply may be used for "
            "training, whoever asked. Talk to them, or remove your words with `/privacy forget`."
        )
    return (
        "You opted out. I still answer you, but nothing you wrote is used in any further training run. "
        "Change your mind at any time with `/privacy opt-in`; remove what is stored with `/privacy forget`."
    )


def privacy_status(
    opted_in: bool | None, operator_consents: bool, *, messages: int, answers: int, adapters: int, days: float
) -> str:
    """What is stored of a member. `adapters` learned from it; `days` is how long the rest is kept, 0 for ever."""
    lines = [
        "I store my replies with the messages I was shown, so that moderators can review them.",
        (
            f"Of you I have **{_count(messages, 'message')}** and **{_count(answers, 'answer')}** to you. "
            f"{_count(adapters, 'adapter')} learned from them."
        ),
    ]
    if operator_consents:
        lines.append("The operator of this bot has set that every approved reply may be used for training.")
    else:
        lines.append(
            "A reply is used for training only when a moderator approved it and everyone whose words are in it has "
            "opted in."
        )
        lines.append(
            {
                True: "You have **opted in**. `/privacy opt-out` changes that.",
                False: "You have **opted out**. `/privacy opt-in` changes that.",
                None: "You have **not opted in**, so your words are not used. `/privacy opt-in` changes that.",
            }[opted_in]
        )
    if days:
        lines.append(f"What nobody reviewed, and not everyone in it opted in to, is deleted after {days:g} days.")
    lines.append("`/privacy export` gives you all of it as a file, `/privacy forget` removes it.")
    return "\n".join(lines)


def forget_question(messages: int, answers: int) -> str:
    return (
        f"This removes **{_count(messages, 'message')}** of yours and **{_count(answers, 'answer')}** to you from "
        "everything I keep, for good, and takes back your opt-in. Adapters that learned from them are retired after "
        "the next successful training. Messages on Discord itself stay; delete those there.\nShall I?"
    )


def forgotten(replies: int, adapters: int) -> str:
    """What was done: `replies` redacted, `adapters` marked."""
    if not replies:
        return "Done. There was nothing of yours in what I keep."
    text = f"Done. Your words are gone from {_count(replies, 'stored reply', 'stored replies')}."
    if adapters:
        text += f" {_count(adapters, 'adapter')} that learned from them will be retired after the next training."
    return text


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


in_every_language(__name__)
