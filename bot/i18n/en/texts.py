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

ASK_ME = NOTICE + "Put your question in the same message as the mention, and I will answer it."
BUSY = NOTICE + "Too many questions are waiting right now. Please ask again in a minute."
TOO_LONG = NOTICE + "That message is too long for me. Please send a shorter one."
CLOSING = NOTICE + "I am restarting. Please ask again in a moment."
FAILED = NOTICE + "Sorry, something went wrong while I was answering. Please ask again."
RESTARTING = NOTICE + "My language model is restarting. Please ask again in a minute."
SILENT = NOTICE + "My answer came out empty. Please rephrase your question and ask again."

STOPPED = NOTICE + "Stopped. You can ask again at any time."
INTERRUPTED = NOTICE + "I was interrupted here. Please ask again."
NOT_TAKEN = NOTICE + "Sorry, Discord does not let me post my answer here."
STOP = "Stop"
AGAIN = "Regenerate"
MORE = "Continue"
DELETE = "Delete"
NOT_YOURS = "Only the person who asked, or a moderator, can do that."
NOT_WRITING = "I have already finished that answer."
ALREADY = "I am still writing that answer. One moment, please."
ANSWER_GONE = "I no longer have the question behind that answer. Please ask again."
NOT_HERE = "I am not allowed to answer you in this channel. An administrator can change that with `/settings`."
NO_DIRECT = "I do not answer direct messages. Please ask me on a server where we both are."
_ASKED = "> "  # a line of Discord's quotation


def too_soon(seconds: int) -> str:
    return f"Please wait: you can ask again in {seconds} s."


def too_many(at_once: int) -> str:
    return f"I am still answering {at_once} of your questions. Please ask again when one is done."


CROWDED = BUSY.removeprefix(NOTICE)


def quota_used(quota: int, until: int) -> str:
    """`until` is a Unix time; Discord shows it in the reader's own time zone."""
    used = f"You have used all {quota:,} answers for today."
    if quota == 1:
        used = "You get 1 answer per day, and you have used today's."
    return f"{used} You can ask again <t:{until}:R>."


def queue_place(place: int) -> str:
    return f"{NOTICE}You are number {place} in the queue. Your answer is coming."


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
PENDING = "Waiting for review"
REMOVED = "No longer stored"
REMOVED_PARTLY = "Not used for training: parts of it were removed"
REMOVED_WHY = "Parts of this were removed, so there is nothing left to review."

CARD_CORRECTED = "Corrected answer"
CARD_REPLY = "Reply"
CARD_JUMP = "Jump to message"
NO_WORDS = "(no text)"
SOMEBODY = "Somebody"
BASE_MODEL = "base model"

EDIT_TITLE = "What should I have said?"
EDIT_LABEL = "The answer to learn from"
EDIT_TOO_LONG = "A Discord form holds 4,000 characters. This reply is longer, so it cannot be edited here."
EDIT_EMPTY = "I cannot learn from an empty answer. To keep this reply out of training, use Reject."

NOT_MY_REPLY = "That is not one of my answers. Use this on a message where I answered someone."
NOT_RECORDED = "That reply is not stored yet. If I am still writing it, try again when I am done."
OTHER_SERVER = "That reply is from another server. Only the moderators there can review it."
OTHER_CHANNEL = "You cannot review that reply, because you cannot read or do not moderate its channel."
REPLY_GONE = "That reply is no longer stored, so there is nothing to review."

RECORDED = {
    "approve": "Approved. I will learn from this reply.",
    "edit": "Saved. I will learn your version. The message in the channel does not change.",
    "reject": "Rejected. I will not learn from this reply.",
}

# --- commands ----------------------------------------------------------------------------------------------

TRAINING_STARTED = "Training has started. I keep answering in the meantime and will tell you the result."
TRAINING_BUSY = "A training run is already in progress. I will post the result when it is done."
NOTHING_TO_ROLL_BACK = "There is no earlier adapter to go back to. The base model is already answering."
SERVER_ONLY = "This works only on a server."
NOT_ADMINISTRATOR = "Only administrators can do that. You need the permission Manage Server."
DISK_FULL = "This was not saved because my disk is full. Please tell the person who runs me."
DATABASE_BROKEN = "My database does not work at the moment. Please tell the person who runs me."
DATABASE_BUSY = "My database was busy, so nothing was changed. Please try again in a minute."
FAILED_COMMAND = (
    "Sorry, something went wrong. Part of it may already be done, so please check before you try again. "
    "Details are in the bot's log."
)


def not_moderator(role: str | None) -> str:
    """Why a member may not review; `role` is the moderator role's name, where one is set."""
    who = f"the role {role} or the permission Manage Messages" if role else "the permission Manage Messages"
    return f"Only moderators can do that. You need {who} here."


def verdict_line(verdict: str, reviewer: str) -> str:
    return f"{VERDICTS[verdict]} by {reviewer}"


def adapter_name(adapter: str | None) -> str:
    return f"`{adapter}`" if adapter else BASE_MODEL


def adapter_changed(adapter: str | None, kind: str, reason: str, milliseconds: float) -> str:
    """The notice that another adapter answers from now on. `kind` is the promotion's kind."""
    how = {
        "gate": "The new adapter is better",
        "use": "The operator chose another adapter",
        "rollback": "Rolled back to an earlier adapter",
    }.get(kind, "The adapter has changed")
    why = f"\nReason: {reason}" if reason else ""
    return f"**{how}.** {adapter_name(adapter)} is now in use (swapped in {milliseconds:.0f} ms).{why}"


def voice_changed(adapter: str | None, kind: str, reason: str) -> str:
    """The same for a server that has a voice of its own."""
    how = {
        "gate": "The new adapter is better",
        "use": "A moderator chose another adapter",
        "rollback": "Rolled back to an earlier adapter",
    }.get(kind, "The adapter has changed")
    why = f"\nReason: {reason}" if reason else ""
    return f"**{how}.** {adapter_name(adapter)} is now in use on this server.{why}"


def adapter_refused(adapter: str | None, sentence: str, answering: str | None = None) -> str:
    """The notice that the adapter chosen last does not answer; `answering` is the one that does (None: the base)."""
    who = adapter_name(answering) if answering else "The base model"
    return f"**{adapter_name(adapter)} could not be loaded.** {who} keeps answering. {sentence}"


BACKGROUND = {
    "backup": "The daily backup",
    "outbox": "Posting what is not on Discord yet",
    "retention": "Deleting old replies",
    "erase": "Erasing removed text from the database file",
    "adapter": "Checking for a new adapter",
    "deleted": "Checking for messages that were deleted while I was offline",
    "night": "The nightly training",
    "memory": "Indexing approved replies and documents",
}


def background_failed(name: str) -> str:
    return f"**{BACKGROUND.get(name, name)} failed.** I will try again later. Details are in the bot's log."


def engine_failed(sentence: str) -> str:
    return f"**The engine failed** and is restarting. I cannot answer until it is back. {sentence}"


ENGINE_BACK = "**The engine is back.** I can answer again."


def engine_lost(sentence: str) -> str:
    return (
        "**The engine could not be restarted**, so the bot is shutting down. The person who runs it has to start it "
        "again. "
        f"{sentence}"
    )


def training_ended(outcome: str, reason: str) -> str:
    how = {
        "promoted": "Training finished. The new adapter is better and is now in use.",
        "kept": "Training finished. The new adapter is not used.",
        "skipped": "Training was skipped.",
        "failed": "Training failed.",
    }.get(outcome, "Training finished.")
    return f"**{how}** {reason}".rstrip()


def rolled_back(adapter: str | None) -> str:
    return f"Rolled back. {adapter_name(adapter)} is now in use."


def rollback_reason(actor: str) -> str:
    return f"requested by {actor}"


# --- /status -----------------------------------------------------------------------------------------------

STATUS_TITLE = "Nightshift"
STATUS_FAILED = "⚠️ The engine failed. It cannot answer until it is restarted."
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
    "I do not learn from this server. Nothing said, approved or imported here is used for training. The person who "
    "runs me chooses the servers I learn from."
)
RUN_NOW = "running now"
NEVER = "never"
NOT_PLANNED = "not scheduled"


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
    return f"{adapter_name(adapter)}\n{pause_ms:.0f} ms, after a wait of {waited_ms:.0f} ms"


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


UNSTORED = f"{ASIDE}I could not save this answer, so nobody can review it. The reason is in the bot's log."
EXPORTED = "This is everything I have stored about you: your messages, my answers, and your choice about training."
FORGET_YES = "Delete my data"
FORGET_NO = "Cancel"
FORGET_KEPT = "Nothing was deleted."
FORGET_TIMED_OUT = "Nothing was deleted because you did not answer. You can use `/privacy forget` again at any time."


def exported_part(number: int, parts: int) -> str:
    """Where the file is larger than Discord takes."""
    return f"{EXPORTED} It is too large for one file. This is part {number} of {parts}; join the parts in this order."


LEARNED_WORDS = {
    "messages": "",
    "commands": "I do not train on messages. Of what members write, I only train on questions asked with `/ask`.",
    "nothing": "At the moment, I do not train on anything that members write.",
}
"""What of members' words is learned from, as `/privacy` says it."""

LOOKED_UP = {
    False: (
        "When somebody asks something similar on the same server, I may also look up an approved answer, if everyone "
        "in that conversation has opted in."
    ),
    True: "When somebody asks something similar on the same server, I may also look up every approved answer.",
}
"""What is looked up, whatever is learned from; by whether the operator decides for everyone."""


def introduction(operator_consents: bool, words: str = "messages") -> str:
    """One line for somebody who is answered for the first time; `words`: what is learned from, see LEARNED_WORDS."""
    if words == "commands":
        said = (
            f"{ASIDE}I train overnight on approved answers to `/ask`, not on messages, and may look up every approved "
            "answer for similar questions. "
        )
        if operator_consents:
            return f"{said}`/privacy status` shows what I store about you and how to delete it."
        return (
            f"{said}Conversations with you are only used if you opt in: `/privacy opt-in` (details: `/privacy status`)"
        )
    if operator_consents:
        return (
            f"{ASIDE}I learn overnight from answers that moderators approve, and may look them up for similar "
            "questions. `/privacy status` shows what I store about you and how to delete it."
        )
    return (
        f"{ASIDE}I learn overnight from answers that moderators approve, and may look them up for similar questions. "
        "Your messages are only used if you opt in: `/privacy opt-in` (details: `/privacy status`)"
    )


def privacy_in(operator_consents: bool, words: str = "messages") -> str:
    looked_up = LOOKED_UP[operator_consents]
    if words != "messages":
        return (
            f"You opted in, thank you. {LEARNED_WORDS[words]} {looked_up} "
            "You can change this at any time with `/privacy opt-out`."
        )
    if operator_consents:
        return (
            "You opted in, thank you. On this bot, the operator uses every approved reply for training anyway. "
            f"{looked_up}"
        )
    return (
        "You opted in. I can now learn from your messages and my answers to you, once a moderator has approved them, "
        "and look the approved ones up when somebody asks me something similar here. "
        "You can change this at any time with `/privacy opt-out`."
    )


def privacy_out(operator_consents: bool, words: str = "messages") -> str:
    if operator_consents and words == "commands":
        return (
            "You opted out. But on this bot, the operator uses every approved answer to `/ask` for training. "
            f"{LOOKED_UP[True]} Please talk to them, or delete your data with `/privacy forget`."
        )
    if operator_consents and words == "messages":
        return (
            "You opted out. But on this bot, the operator uses every approved reply for training. "
            f"{LOOKED_UP[True]} Please talk to them, or delete your data with `/privacy forget`."
        )
    if operator_consents:
        return (
            f"You opted out. I do not train on what you write. But this bot's operator decides for everyone: "
            f"{LOOKED_UP[True]} Please talk to them, or delete your data with `/privacy forget`."
        )
    return (
        "You opted out. I still answer you, but I do not train on what you write, and I do not look up "
        "approved answers from conversations with you. "
        "`/privacy opt-in` changes this at any time, and `/privacy forget` deletes what is stored."
    )


def privacy_status(
    opted_in: bool | None,
    operator_consents: bool,
    words: str = "messages",
    *,
    messages: int,
    answers: int,
    adapters: int,
    days: float,
) -> str:
    """What is stored of a member. `adapters` learned from it; `days` is how long the rest is kept, 0 for ever."""
    lines = [
        "I store my answers and the messages that I saw for them, so that moderators can review them.",
        (
            f"I have stored **{_count(messages, 'message')}** from you and **{_count(answers, 'answer')}** to you. "
            f"{_count(adapters, 'adapter')} learned from them."
        ),
    ]
    if LEARNED_WORDS[words]:
        lines.append(LEARNED_WORDS[words])
    if operator_consents and words != "nothing":
        answer = "reply" if words == "messages" else "answer to `/ask`"
        lines.append(f"On this bot, the operator uses every approved {answer} for training.")
    elif not operator_consents:
        lines.append(
            "I train on a reply only if a moderator approved it and everyone in the conversation has opted in."
        )
        lines.append(
            {
                True: "You have **opted in**. `/privacy opt-out` changes that.",
                False: "You have **opted out**. `/privacy opt-in` changes that.",
                None: "You have **not opted in**, so I do not train on what you write. `/privacy opt-in` changes that.",
            }[opted_in]
        )
    lines.append(LOOKED_UP[operator_consents])
    if days:
        lines.append(f"Replies are deleted after {days:g} days, unless reviewed or everyone in them has opted in.")
    lines.append("`/privacy export` sends you everything as a file. `/privacy forget` deletes it.")
    return "\n".join(lines)


def forget_question(messages: int, answers: int) -> str:
    return (
        f"This deletes **{_count(messages, 'message')}** from you and **{_count(answers, 'answer')}** to you from my "
        "storage for good, and opts you out. Adapters that learned from them are retired after the next successful "
        "training. Your messages on Discord stay; you can delete them there.\nDo you want to go ahead?"
    )


def forgotten(replies: int, adapters: int) -> str:
    """What was done: `replies` redacted, `adapters` marked."""
    if not replies:
        return "Done. I had nothing stored about you."
    text = f"Done. Your messages are deleted from {_count(replies, 'stored reply', 'stored replies')}."
    if adapters:
        text += f" {_count(adapters, 'adapter')} that learned from them will be retired after the next training."
    return text


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


in_every_language(__name__)
