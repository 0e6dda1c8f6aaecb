"""Every sentence a moderator reads, in one place: the moderators' part of bot/i18n/en/texts.py, under the same rules.

Knows no Discord objects and no settings: functions take the plain values they mention.
"""

from __future__ import annotations

from bot.i18n.en import texts
from bot.i18n.language import in_every_language
from storage import quarantine

# --- cards -------------------------------------------------------------------------------------------------

SKIP = "Skip"
UNDO = "Undo"
HELD = "Held back: posted once you approve it"
REDACTED = "Words were removed: nothing to review"
RULED = {"approve": "Approved", "edit": "Edited", "reject": "Rejected", "undo": "Taken back"}
REASONS = {
    "wrong": "It is wrong",
    "rude": "It is rude",
    "off-topic": "It is off-topic",
    "unsafe": "It is unsafe",
    "other": "Something else",
}
WHY = "Why? (choose if you like)"
UNDONE = "Taken back. The reply waits for a verdict again."
NOTHING_TO_UNDO = "No verdict stands on that reply, so there is nothing to take back."
NOT_REJECTED = "That reply is no longer rejected, so it needs no reason."


def skipped(moderator: str) -> str:
    return f"Skipped by {moderator} \u00b7 still waiting"


def replaced_by(reply_id: int) -> str:
    """On the card of an answer in whose place another stands now."""
    return f"replaced by reply {reply_id}"


def rejected_because(reason: str) -> str:
    return f"Rejected. Kept with it: {REASONS[reason].lower()}."


def ruling(verdict: str, reviewer: str, reason: str | None) -> str:
    """The title of a card that is done."""
    text = texts.verdict_line(verdict, reviewer)
    return f"{text} \u00b7 {reason}" if reason in REASONS else text


def overruled(moderator: str, theirs: str, mine: str, reply_id: int) -> str:
    """What the moderator reads whose verdict no longer stands."""
    return (
        f"{moderator} has just judged reply {reply_id} too: **{RULED[theirs].lower()}**, where you had said "
        f"**{RULED[mine].lower()}**. The later verdict stands; yours is kept in the record."
    )


def overruling(moderator: str, theirs: str) -> str:
    """What the moderator reads whose verdict replaced another's."""
    return f"{moderator} had said **{RULED[theirs].lower()}** before you; the later verdict, yours, stands."


# --- /review -----------------------------------------------------------------------------------------------

QUEUE_EMPTY = "Nothing waits for a verdict. Thank you!"
QUEUE_START = "Start again"
ORDERS = {"newest": "newest first", "oldest": "oldest first", "unsure": "unsure first"}


def queue_title(left: int, order: str) -> str:
    return f"{left} left \u00b7 {ORDERS[order]}"


def queue_end(skipped_: int) -> str:
    noun = "reply still waits" if skipped_ == 1 else "replies still wait"
    return f"That was the last one. {skipped_} {noun}, which you skipped or which came meanwhile."


def queue_done(verdict: str, reply_id: int) -> str:
    return f"{RULED[verdict]}: reply {reply_id}"


# --- held answers ------------------------------------------------------------------------------------------

HELD_NOTICE = texts.NOTICE + "My answer is with the moderators; it will stand here once they have seen it."
HELD_UNSEEN = (
    texts.NOTICE + "My answer waits for the moderators, but I cannot write in their channel. "
    "They find it with `/review`; once they have seen it, it will stand here."
)
HELD_REFUSED = texts.NOTICE + "The moderators decided not to post my answer."
HOLD_ON = "From now on my answers in this channel go to the review channel first, and are posted once approved."
HOLD_ON_UNSEEN = (
    "From now on my answers in this channel wait in `/review`, and are posted once approved. They get no cards: the "
    "review channel is seen by somebody who cannot read this channel."
)
HOLD_OFF = "From now on my answers in this channel are posted at once."
HOLD_NOWHERE = "There is no review channel yet, so nobody would see the drafts. Choose one with `/setup` first."

# --- what could not be shown ------------------------------------------------------------------------------

NOT_SHOWN_TITLE = "Not shown on Discord yet"
SHOW_AGAIN = "Show it now"
SHOWN_NOW = "Done: Discord shows it now."
NOT_SHOWN = {
    "unreached": "Discord could not be reached. I keep trying.",
    "gone": "Its message or its channel is gone.",
    "forbidden": "I may not write there: look at my permissions in that channel, then press the button.",
    "refused": "Discord refused it. The log on the bot's machine says why; the button tries it again.",
    "failed": "Something went wrong. The log on the bot's machine says more; the button tries it again.",
    "nowhere": "There is no review channel. Choose one with `/setup`.",
}


def reply_number(reply_id: int) -> str:
    return f"Reply {reply_id}"


def not_shown(cause: str) -> str:
    """What a moderator reads whose verdict is stored, but could not be carried out."""
    return f"\u26a0\ufe0f Your verdict is stored, but the answer could not be changed. {NOT_SHOWN[cause]}"


# --- /train, /adapter --------------------------------------------------------------------------------------

DATABASE_DAMAGED = (
    "**My database is damaged**, so I did not train tonight. Please tell whoever runs me: "
    "`nightshift doctor` says more."
)
NOT_TRAINING = "No training run is going on."
CANCELLED = "The training run is being stopped. What it learned is thrown away; the adapter in use stays."
NOT_CANCELLED = "The training run could not be stopped: it has just ended, or runs where I cannot reach it."
INTERRUPTED = "No training run is going on. One was interrupted; it goes on at the next start of training."
NO_RUNS = "There has been no training run yet."
NO_ADAPTERS = "There is no adapter yet: the bare base model answers. The first good training run makes one."
ADAPTER_GONE = "There is no such adapter. `/adapter list` shows those there are."
ADAPTER_RETIRED = "That adapter is retired: it learned from words that were withdrawn since."
ADAPTER_DAMAGED = (
    "That adapter's files are damaged, so it cannot be used. The adapter in use stays; `/adapter use` chooses another."
)
STAGES = {
    "started": "starting",
    "snapshot": "gathering what was approved",
    "train": "learning",
    "prefer": "learning what was preferred",
    "evaluate": "comparing with the adapter in use",
    "gate": "judging",
    "publish": "publishing",
    "promote": "taking over",
}
OUTCOMES = {"promoted": "promoted", "kept": "not promoted", "skipped": "skipped", "failed": "failed"}


def not_server_moderator(role: str | None) -> str:
    """For who moderates a channel, but not the server; `role` is the moderator role's name, where one is set."""
    who = f"the role {role} or the permission Manage Messages" if role else "the permission Manage Messages"
    return f"That concerns the whole server: it needs {who} on the server itself. Yours is for single channels."


def elsewhere(server: str | None) -> str:
    if server is None:
        return (
            "I serve every server with one adapter. Only moderators of my main server train and choose it, and I am "
            "not there now. My operator can name another one: `main_server` in `nightshift.toml`."
        )
    return f"I serve several servers with one adapter. Only moderators of {server} train and choose it."


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
    return f"{texts.adapter_name(adapter)} answers from now on."


def not_loaded(adapter: str | None) -> str:
    return (
        f"{texts.adapter_name(adapter)} could not be loaded, so the adapter in use stays. "
        "The log on the bot's machine says why."
    )


IN_USE = "in use"
RETIRED = "retired"

# --- the morning report ------------------------------------------------------------------------------------

REPORT = "Morning report"
REPORT_PAIRS = "Learned from"
REPORT_LOSS = "Hold-out loss"
REPORT_ADAPTER = "Adapter"
REPORT_TIME = "Took"
REPORT_BETTER = "lower is better"
REPORT_HEAD = {
    "promoted": "A newly trained adapter won and answers from now on.",
    "kept": "The new adapter is not used.",
    "skipped": "There was no training tonight.",
    "failed": "Tonight's training failed.",
}
REPORT_KEPT = {
    "worse": "The new adapter did worse, so it is not used.",
    "same": "The new adapter did no better and no worse, so it is not used.",
    "unproven": "The new adapter may be better, but too little to be sure, so it is not used.",
    "failed a check": "The new adapter predicts better but failed another check, so it is not used.",
    "not chosen": "The new adapter won, but another one was chosen by hand meanwhile. That choice stands.",
}
BLIND_TITLE = "Which answer is better?"
BLIND_A, BLIND_B, BLIND_TIE = "A is better", "B is better", "No difference"
BLIND_REMOVED = "This question is no longer stored: words in it were removed."
BLIND_ELSEWHERE = "That question was not asked on this server, so there is nothing to vote on."
BLIND_STORED = "Your vote is stored. Vote again to change it."
BLIND_FOOTER = "One is by the adapter of yesterday, one by tonight's. Nobody is told which."
LEARNING = "learning"
VALIDATION = "validation"
LOSS_AXIS, STEP_AXIS = "loss (nats per token)", "step"


def votes(challenger: int, champion: int, tie: int) -> str:
    return f"votes: {challenger} for the new, {champion} for the old, {tie} undecided"


def held_out(train: int, held: int) -> str:
    return f"{train} pairs\n{held} held out to judge by"


# --- /pairs ------------------------------------------------------------------------------------------------

NO_PAIRS = "No approved pair holds those words."
PAIR_GONE = "There is no approved pair of this server with that number."
EXPORT_EMPTY = "There is nothing to export: no reply of this server is approved."
EXPORT_NONE_ELIGIBLE = (
    "There is nothing to export: I may learn from none of this server's approved pairs, because somebody in them has "
    "not opted in or a second moderator has not looked at them."
)
EXPORT_TOO_LARGE = "The file is larger than Discord takes here. `nightshift export` on the bot's machine has no limit."
IMPORT_TOO_LARGE = "That file is larger than 8 MB. `nightshift import` on the bot's machine has no limit."
IMPORT_ENDING = "I read `.jsonl`, `.json` and `.csv` files only. A spreadsheet can be saved as CSV (UTF-8)."
IMPORT_UNREADABLE = (
    'I cannot read that file. A JSONL file has `{"messages": [...]}` on each line; '
    "a CSV file has a column for the prompt and one for the reply."
)
IMPORT_PACKED = "That is no text file. If it is a spreadsheet, save it as CSV (UTF-8) and import that."
IMPORT_TOO_MANY_ROWS = "That file has more than 50,000 rows. Divide it into several files."


def removed(reply_id: int) -> str:
    return f"Pair {reply_id} is removed: I will not learn from it again."


def exported(count: int) -> str:
    return f"{count} pairs." if count != 1 else "1 pair."


def imported(count: int, duplicates: int, bad: list[tuple[int, str]], rejected: int) -> str:
    lines = [f"imported {count}, duplicates {duplicates}, rejected {rejected}"]
    lines += [f"row {number}: {reason}" for number, reason in bad[:10]]
    lines += [f"\u2026 and {rejected - 10} more"] if rejected > 10 else []
    return "\n".join(lines)


def import_waits(count: int) -> str:
    pairs = "This pair waits" if count == 1 else f"These {count} pairs wait"
    return f"{pairs} until a second moderator of this server lets them in: `/pairs quarantine`."


def import_refused(count: int) -> str:
    pairs = "1 pair holds" if count == 1 else f"{count} pairs hold"
    return f"Refused: {pairs} what was said, deleted or forgotten on Discord. Approve the answers there instead."


# --- /pairs quarantine -------------------------------------------------------------------------------------

QUARANTINE_CONFIRM = "Let it in"
QUARANTINE_DISMISS = "Leave it out"
QUARANTINE_WHY = "Why it was set aside"
QUARANTINE_BY = "Approved by"
QUARANTINE_EMPTY = "No pair is set aside."
QUARANTINE_GONE = "That pair does not wait for a decision any more: it was decided already, or changed since."
QUARANTINE_OWN = "You approved that pair yourself, so another moderator decides about it."
REPORT_ASIDE = "Set aside"


def quarantine_why(reason: str) -> str:
    """The reason as it is stored, in the reader's language where it is a known one."""
    return "A moderator imported it; a second one decides." if reason == quarantine.WAITS_SINCE_IMPORT else reason


def quarantine_title(left: int) -> str:
    return f"{left} set aside"


def quarantine_by(reviewer: str, *, own: bool) -> str:
    return f"{reviewer} (you: another moderator decides)" if own else reviewer


def quarantine_end(left: int) -> str:
    return f"That was the last one. {_pairs(left)} still set aside."


def quarantine_done(reply_id: int, *, confirmed: bool) -> str:
    return f"Let in: pair {reply_id}" if confirmed else f"Left out: pair {reply_id}"


def quarantine_tonight(reasons: list[tuple[str, int]], more: int) -> str:
    """In the morning report: why, and how often; `more` have other reasons."""
    lines = [f"{_pairs(count)}: {reason}" for reason, count in reasons]
    lines += [f"{_pairs(more)} for other reasons"] if more else []
    return "\n".join([*lines, "A second moderator decides: `/pairs quarantine`"])


def _pairs(count: int) -> str:
    return f"{count} pair" if count == 1 else f"{count} pairs"


# --- /stats ------------------------------------------------------------------------------------------------

STATS = "Reviews"
STATS_NONE = "Nobody has reviewed a reply of mine here yet."
STATS_DAYS = "Reviews by day"
STATS_ADAPTERS = "Approved, by adapter"
STATS_APPROVED, STATS_REJECTED = "approved", "rejected"


def share(name: str, approved: int, reviews: int) -> str:
    return f"{name}: {approved} of {reviews} approved ({approved / reviews:.0%})"


# --- /setup ------------------------------------------------------------------------------------------------

SETUP_TITLE = "Setting up"
SETUP_CHANNEL = "1. Where should cards and reports go? A channel only moderators see."
SETUP_ROLE = "2. Who reviews, beside everyone with Manage Messages?"
SETUP_PERSONA = "3. How should I speak?"
SETUP_CONSENT = "4. Who lets me learn from their words?"
SETUP_PICK_CHANNEL = "Review channel"
SETUP_PICK_ROLE = "Moderator role"
SETUP_PERSONA_BUTTON = "Persona"
SETUP_CONSENT_BUTTON = "Tell members here how to opt in"
SETUP_NOT_SET = "not set"
SETUP_ELSEWHERE = "That is not on this server. Please choose again."
SETUP_SET = "set"
SETUP_PUBLIC = "\u26a0\ufe0f Everyone can read that channel: members' questions would stand in it."
SETUP_MUTE = "\u26a0\ufe0f I may not write there: give me View Channel, Send Messages and Embed Links."
CONSENT_RULE = {
    "members": "Only from members who opted in with `/privacy opt-in`.",
    "operator": "My operator has set that every approved reply may be used.",
}
CONSENT_POST = (
    "**I learn how this community talks, if you let me.** My answers are reviewed by moderators, and at night I "
    "learn from those they approve, but only where everyone whose words are in them has opted in. "
    "`/privacy opt-in` says yes, `/privacy opt-out` says no, `/privacy status` says what I keep."
)
CONSENT_POSTED = "Posted."


in_every_language(__name__)
