"""Every sentence a moderator reads, in one place: the moderators' part of bot/i18n/en/texts.py, under the same rules.

Knows no Discord objects and no settings: functions take the plain values they mention.
"""

from __future__ import annotations

from bot.i18n.en import texts
from bot.i18n.language import in_every_language
from storage import origins

# --- cards -------------------------------------------------------------------------------------------------

SKIP = "Skip"
UNDO = "Undo"
HELD = "On hold: posted once you approve it"
REDACTED = "Parts were removed: nothing to review"
RULED = {"approve": "Approved", "edit": "Edited", "reject": "Rejected", "undo": "Undone"}
REASONS = {
    "wrong": "It is wrong",
    "rude": "It is rude",
    "off-topic": "It is off-topic",
    "unsafe": "It is unsafe",
    "other": "Something else",
}
WHY = "Why? (optional)"
UNDONE = "Undone. The reply is waiting for review again."
NOTHING_TO_UNDO = "That reply has not been reviewed, so there is nothing to undo."
NOT_REJECTED = "That reply is no longer rejected, so it needs no reason."


def skipped(moderator: str) -> str:
    return f"Skipped by {moderator} \u00b7 still waiting for review"


def replaced_by(reply_id: int) -> str:
    """On the card of an answer in whose place another stands now."""
    return f"replaced by reply {reply_id}"


def rejected_because(reason: str) -> str:
    return f"Rejected. Reason: {REASONS[reason].lower()}."


def ruling(verdict: str, reviewer: str, reason: str | None) -> str:
    """The title of a card that is done."""
    text = texts.verdict_line(verdict, reviewer)
    return f"{text} \u00b7 {reason}" if reason in REASONS else text


def overruled(moderator: str, theirs: str, mine: str, reply_id: int) -> str:
    """What the moderator reads whose verdict no longer stands."""
    return (
        f"{moderator} has also reviewed reply {reply_id}: **{RULED[theirs].lower()}**. Your review was "
        f"**{RULED[mine].lower()}**. The later review counts; yours stays in the history."
    )


def overruling(moderator: str, theirs: str) -> str:
    """What the moderator reads whose verdict replaced another's."""
    return f"{moderator} reviewed this before you: **{RULED[theirs].lower()}**. Your review is later, so it counts."


# --- /review -----------------------------------------------------------------------------------------------

QUEUE_EMPTY = "Nothing is waiting for review. Thank you!"
QUEUE_START = "Start again"
ORDERS = {"newest": "newest first", "oldest": "oldest first", "unsure": "least sure first"}


def queue_title(left: int, order: str) -> str:
    return f"{left} left \u00b7 {ORDERS[order]}"


def queue_end(skipped_: int) -> str:
    noun = "reply is" if skipped_ == 1 else "replies are"
    return f"That was the last one. {skipped_} {noun} still waiting: skipped by you, or new."


def queue_done(verdict: str, reply_id: int) -> str:
    return f"{RULED[verdict]}: reply {reply_id}"


# --- held answers ------------------------------------------------------------------------------------------

UNSURE = "I was not sure: approve or edit my draft, and I will post it"
UNSURE_NOTICE = texts.NOTICE + "I am not sure about this, so I am asking the moderators. Their answer will appear here."
HELD_NOTICE = texts.NOTICE + "A moderator checks my answer first. It will appear here once it is approved."
HELD_UNSEEN = (
    texts.NOTICE + "A moderator has to check my answer first, but I cannot post in the review channel. "
    "Moderators can find it with `/review`. It will appear here once it is approved."
)
HELD_REFUSED = texts.NOTICE + "A moderator decided not to post my answer."
HOLD_ON = "From now on, my answers in this channel go to the review channel first. I post them once they are approved."
HOLD_ON_UNSEEN = (
    "From now on, my answers in this channel wait in `/review`. I post them once they are approved. They get no "
    "cards, because some people in the review channel cannot read this channel."
)
HOLD_OFF = "From now on, my answers in this channel are posted right away."
HOLD_NOWHERE = "There is no review channel yet, so nobody would see the answers. Please choose one with `/setup` first."

# --- what could not be shown ------------------------------------------------------------------------------

NOT_SHOWN_TITLE = "Not posted on Discord yet"
SHOW_AGAIN = "Post it now"
SHOWN_NOW = "Done. It is on Discord now."
NOT_SHOWN = {
    "unreached": "I cannot reach Discord. I keep trying.",
    "gone": "The message or its channel was deleted.",
    "forbidden": "I am not allowed to post there. Please check my permissions in that channel, then press the button.",
    "refused": "Discord refused it. The reason is in the bot's log. Press the button to try again.",
    "failed": "Something went wrong. Details are in the bot's log. Press the button to try again.",
    "nowhere": "There is no review channel. Please choose one with `/setup`.",
}


def reply_number(reply_id: int) -> str:
    return f"Reply {reply_id}"


def not_shown(cause: str) -> str:
    """What a moderator reads whose verdict is stored, but could not be carried out."""
    return f"\u26a0\ufe0f Your review is saved, but I could not update the answer. {NOT_SHOWN[cause]}"


# --- /train, /adapter --------------------------------------------------------------------------------------

DATABASE_DAMAGED = (
    "**My database is damaged**, so I did not train tonight. Please tell the person who runs me. "
    "`nightshift doctor` shows details."
)
NOT_TRAINING = "There is no training run in progress."
CANCELLED = "Stopping the training run. Its result is discarded, and the adapter in use stays."
NOT_CANCELLED = "I could not stop the training run. It has just ended, or it runs where I cannot reach it."
INTERRUPTED = "There is no training run in progress. One was interrupted and resumes when training starts next."
NO_RUNS = "There has been no training run yet."
NO_ADAPTERS = "There is no adapter yet, so the base model answers. The first successful training run creates one."
ADAPTER_GONE = "I do not know that adapter. `/adapter list` shows all of them."
ADAPTER_RETIRED = "That adapter is retired, because it learned from messages that have been withdrawn."
ADAPTER_DAMAGED = (
    "That adapter's files are damaged, so the adapter in use stays. You can choose another one with `/adapter use`."
)
STAGES = {
    "started": "starting",
    "snapshot": "collecting approved replies",
    "train": "training",
    "prefer": "training on preferences",
    "evaluate": "comparing with the adapter in use",
    "gate": "deciding",
    "publish": "publishing",
    "promote": "switching over",
}
OUTCOMES = {"promoted": "promoted", "kept": "not promoted", "skipped": "skipped", "failed": "failed"}


def not_server_moderator(role: str | None) -> str:
    """For who moderates a channel, but not the server; `role` is the moderator role's name, where one is set."""
    who = f"the role {role} or the permission Manage Messages" if role else "the permission Manage Messages"
    return f"This affects the whole server. You need {who} for the server itself; yours is for single channels."


def elsewhere(server: str | None) -> str:
    if server is None:
        return (
            "I use the same adapter on every server. Only moderators of my main server can train or choose it, and I "
            "am not on that server now. My operator can choose another one: `main_server` in `nightshift.toml`."
        )
    return f"I use the same adapter on several servers. Only moderators of {server} can train or choose it."


def cancelled_by(actor: str) -> str:
    return f"Stopped by {actor}."


def progress(stage: str, minutes: float, step: int | None, figures: dict[str, float]) -> str:
    """One line on a run that is going on."""
    parts = [f"**{STAGES.get(stage, stage).capitalize()}**"]
    parts += [f"step {step}"] if step is not None else []
    names = {"loss": "loss", "eval_loss": "validation loss"}
    parts += [f"{names[name]} {value:.3f}" for name, value in figures.items() if name in names]
    return " \u00b7 ".join([*parts, f"{minutes:.0f} min"])


def history_line(when: str, outcome: str | None, pairs: int | None, before: float | None, after: float | None) -> str:
    parts = [when, f"**{OUTCOMES.get(outcome or '', 'unfinished')}**"]
    parts += [f"{pairs} pairs"] if pairs else []
    parts += [f"hold-out loss {before:.3f} \u2192 {after:.3f}"] if before is not None and after is not None else []
    return " \u00b7 ".join(parts)


def used(adapter: str | None) -> str:
    return f"{texts.adapter_name(adapter)} is now in use."


def not_loaded(adapter: str | None) -> str:
    return (
        f"{texts.adapter_name(adapter)} could not be loaded, so the adapter in use stays. "
        "The reason is in the bot's log."
    )


IN_USE = "in use"
RETIRED = "retired"


def candidate(pairs: int) -> str:
    """An adapter that was kept out and may still prove better."""
    return f"candidate, judged by {_pairs(pairs)} so far"


# --- the morning report ------------------------------------------------------------------------------------

REPORT = "Training report"
REPORT_PAIRS = "Trained on"
REPORT_LOSS = "Hold-out loss"
REPORT_ADAPTER = "Adapter"
REPORT_TIME = "Duration"
REPORT_EXCLUDED = "Not learned from"
REPORT_BETTER = "lower is better"
REPORT_HEAD = {
    "promoted": "The new adapter is better and is now in use.",
    "kept": "The new adapter is not used.",
    "skipped": "There was no training tonight.",
    "failed": "Tonight's training failed.",
}
REPORT_KEPT = {
    "worse": "The new adapter did worse, so it is not used.",
    "same": "The new adapter did no better and no worse, so it is not used.",
    "unproven": "The new adapter may be better, but the difference is too small to be sure, so it is not used.",
    "failed a check": "The new adapter has a lower loss but failed another check, so it is not used.",
    "not chosen": "The new adapter is better, but someone has chosen another one by hand. That one stays in use.",
}
BLIND_TITLE = "Which answer is better?"
BLIND_A, BLIND_B, BLIND_TIE = "A is better", "B is better", "No difference"
BLIND_REMOVED = "This question is no longer stored, because parts of it were removed."
BLIND_ELSEWHERE = "That question is from another server, so you cannot vote on it here."
BLIND_STORED = "Your vote is saved. You can vote again to change it."
BLIND_FOOTER = "One answer is from the old adapter, one from the new. Nobody is told which is which."
LEARNING = "learning"
VALIDATION = "validation"
LOSS_AXIS, STEP_AXIS = "loss (nats per token)", "step"


def votes(challenger: int, champion: int, tie: int) -> str:
    return f"votes: {challenger} for the new, {champion} for the old, {tie} no difference"


def held_out(train: int, held: int) -> str:
    return f"{train} pairs\n{held} held out for testing"


def excluded(count: int) -> str:
    """Pairs that wait because of where their words came from."""
    pairs = "1 pair waits" if count == 1 else f"{count} pairs wait"
    return f"{pairs}: I may learn from messages only with Discord's permission. See `/setup`."


# --- /pairs ------------------------------------------------------------------------------------------------

NO_PAIRS = "No approved pair contains that text."
PAIR_GONE = "This server has no approved pair with that number."
EXPORT_EMPTY = "There is nothing to export. No reply from this server is approved yet."
EXPORT_NONE_ELIGIBLE = (
    "There is nothing to export. Each approved pair of this server waits for something: Discord's permission to learn "
    "from messages (see `/setup`), someone's opt-in, or a check by a second moderator."
)
EXPORT_TOO_LARGE = "The file is too large for Discord. `nightshift export` on the bot's machine has no limit."
IMPORT_TOO_LARGE = "That file is larger than 8 MB. `nightshift import` on the bot's machine has no limit."
IMPORT_ENDING = "I can only read `.jsonl`, `.json` and `.csv` files. Please save a spreadsheet as CSV (UTF-8)."
IMPORT_UNREADABLE = (
    'I cannot read that file. A JSONL file has `{"messages": [...]}` on each line; '
    "a CSV file has a column for the prompt and one for the reply."
)
IMPORT_PACKED = "That is not a text file. If it is a spreadsheet, please save it as CSV (UTF-8) and import that."
IMPORT_TOO_MANY_ROWS = "That file has more than 50,000 rows. Please split it into several files."


def removed(reply_id: int) -> str:
    return f"Pair {reply_id} is removed. I will not learn from it again."


def exported(count: int) -> str:
    return f"{count} pairs." if count != 1 else "1 pair."


def imported(count: int, duplicates: int, bad: list[tuple[int, str]], rejected: int) -> str:
    lines = [f"imported {count}, duplicates {duplicates}, rejected {rejected}"]
    lines += [f"row {number}: {reason}" for number, reason in bad[:10]]
    lines += [f"\u2026 and {rejected - 10} more"] if rejected > 10 else []
    return "\n".join(lines)


def import_waits(count: int) -> str:
    pairs = "this pair" if count == 1 else f"these {count} pairs"
    return f"A second moderator of this server has to accept {pairs}: `/pairs quarantine`."


def import_refused(count: int) -> str:
    pairs = "1 pair contains" if count == 1 else f"{count} pairs contain"
    return f"Refused: {pairs} text that was posted or deleted on Discord. Please approve the answers there instead."


# --- /pairs quarantine -------------------------------------------------------------------------------------

QUARANTINE_CONFIRM = "Accept"
QUARANTINE_DISMISS = "Discard"
QUARANTINE_WHY = "Reason"
QUARANTINE_BY = "Approved by"
QUARANTINE_EMPTY = "No pair is in quarantine."
QUARANTINE_GONE = "That pair no longer needs a decision. Someone has already decided, or it has changed."
QUARANTINE_OWN = "You approved that pair yourself, so another moderator has to decide."
REPORT_NOTE = "Please note"
REPORT_ASIDE = "In quarantine"


def quarantine_title(left: int) -> str:
    return f"{left} in quarantine"


def quarantine_by(reviewer: str, *, own: bool) -> str:
    return f"{reviewer} (you, so another moderator has to decide)" if own else reviewer


def quarantine_end(left: int) -> str:
    return f"That was the last one. Still in quarantine: {_pairs(left)}."


def quarantine_done(reply_id: int, *, confirmed: bool) -> str:
    return f"Accepted: pair {reply_id}" if confirmed else f"Discarded: pair {reply_id}"


def quarantine_tonight(reasons: list[tuple[str, int]], more: int) -> str:
    """In the morning report: why, and how often; `more` have other reasons."""
    lines = [f"{_pairs(count)}: {reason}" for reason, count in reasons]
    lines += [f"{_pairs(more)} for other reasons"] if more else []
    return "\n".join([*lines, "A second moderator has to decide: `/pairs quarantine`"])


def _pairs(count: int) -> str:
    return f"{count} pair" if count == 1 else f"{count} pairs"


# --- /stats ------------------------------------------------------------------------------------------------

STATS = "Reviews"
STATS_NONE = "Nobody has reviewed any of my replies here yet."
STATS_SURE = "How sure I was, and how often moderators agreed"
STATS_DAYS = "Reviews by day"
STATS_ADAPTERS = "Approved, by adapter"
STATS_APPROVED, STATS_REJECTED = "approved", "rejected"
STATS_EDITS = "Text changed before approval"


def changed(name: str, share: float, approved: int) -> str:
    """How much of the approved answers of an adapter or a week was changed."""
    return f"{name}: {share:.0%} in {approved} approved answer{'' if approved == 1 else 's'}"


def week(monday: str) -> str:
    return f"week of {monday}"


def share(name: str, approved: int, reviews: int) -> str:
    return f"{name}: {approved} of {reviews} approved ({approved / reviews:.0%})"


# --- /setup ------------------------------------------------------------------------------------------------

SETUP_TITLE = "Setting up"
SETUP_CHANNEL = "1. Where should I post review cards and reports? Choose a channel that only moderators can see."
SETUP_ROLE = "2. Who can review, besides everyone with Manage Messages?"
SETUP_PERSONA = "3. How should I talk?"
SETUP_CONSENT = "4. Whose messages can I learn from?"
SETUP_MESSAGE_CONTENT = "Does Discord let me learn from messages?"
SETUP_PICK_CHANNEL = "Review channel"
SETUP_PICK_ROLE = "Moderator role"
SETUP_PERSONA_BUTTON = "Persona"
SETUP_CONSENT_BUTTON = "Post how to opt in"
SETUP_NOT_SET = "not set"
SETUP_ELSEWHERE = "That does not exist on this server. Please choose again."
SETUP_SET = "set"
SETUP_PUBLIC = "\u26a0\ufe0f Everyone can read that channel, and members' questions will be posted in it."
PERMISSIONS = {
    "view_channel": "View Channels",
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads",
    "read_message_history": "Read Message History",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
}


def setup_missing(missing: list[str]) -> str:
    """What the bot lacks in the review channel."""
    return f"\u26a0\ufe0f I am missing permissions there: {', '.join(PERMISSIONS[one] for one in missing)}."


def setup_hidden(role: str, bot: str, hidden: list[str]) -> str:
    """Which commands a role does not see, and the clicks that change it."""
    return (
        f"\u26a0\ufe0f {role} does not see {len(hidden)} of my commands yet. Discord lets only a person change that: "
        f"open **Server Settings > Integrations > {bot}**, click a command, then **Add Roles or Members**, and choose "
        f"{role}. Do this for: {', '.join(hidden)}."
    )


CONSENT_RULE = {
    "members": "Only from members who opted in with `/privacy opt-in`.",
    "operator": "My operator uses every approved reply.",
}
MESSAGE_CONTENT_RULE = f"Discord's Developer Policy, rule 21: \u201c{origins.RULE}\u201d {origins.POLICY}"
MESSAGE_CONTENT_PERMIT = "Discord has given this application permission"
MESSAGE_CONTENT_FORBID = "Discord has not given permission"
MESSAGE_CONTENT_BY_FILE = "My operator's settings let me learn from messages (`learn_from`)."
MESSAGE_CONTENT_PERMITTED = (
    "I learn from messages, too: someone has stated here that Discord has given this application permission."
)
MESSAGE_CONTENT_NOT_YOURS = (
    "Only the owner of this application, or an administrator of the server whose moderators train me, can change that."
)


def message_content_forbidden(excluded: int) -> str:
    said = (
        "I learn from text typed into commands and forms, from imports, and from moderators' words. "
        f"I do not learn from messages.\n> {MESSAGE_CONTENT_RULE}\n"
    )
    waiting = {0: "No pair waits for this.", 1: "1 pair waits for this."}
    return said + waiting.get(excluded, f"{excluded} pairs wait for this.")


CONSENT_POST = (
    "**I would like to learn how this community talks.** Moderators review my answers, and at night I train on the "
    "approved ones. When somebody asks something similar here, I may also look them up. I only use a conversation if "
    "everyone in it has opted in. "
    "`/privacy opt-in` means yes, `/privacy opt-out` means no, and `/privacy status` shows what I store about you."
)
CONSENT_POSTED = "Posted."


def sure(predicted: float, approved: float, count: int) -> str:
    return f"{predicted:.0%} \u2192 {approved:.0%} ({count:,})"


in_every_language(__name__)
