"""The store: everything that is remembered, behind one object.

One connection, used by the thread that opened it; the bot reaches it through `AsyncStore`. What a method does is in
the module of its noun; here is the list of what can be asked. Any method may raise DatabaseBusy; those of a
record that does not exist say so with ReplyNotFound, RunNotFound or AdapterMissing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType
from typing import Any, Self, TypeVar

from storage import adapters as registry
from storage import (
    answers,
    audit,
    conclusions,
    consents,
    erasure,
    forgettings,
    guild_settings,
    imports,
    lineage,
    members,
    messages,
    pairs,
    posts,
    preferences,
    promotions,
    quarantine,
    quotas,
    redactions,
    replies,
    retention,
    reviews,
    runs,
    said,
    servers,
    state,
)
from storage.database import open_database, writing
from storage.moderation import Moderation
from storage.outbox import Outbox
from storage.records import (
    Act,
    Adapter,
    AuditEntry,
    Choice,
    Consent,
    ConsentRule,
    Forgotten,
    GuildSetting,
    Holdings,
    ImportCount,
    Metric,
    NewPair,
    NewReply,
    Outcome,
    Pair,
    PairCounts,
    Post,
    Promotion,
    PromotionKind,
    Purge,
    Quarantined,
    Reply,
    Review,
    Run,
    StoredThread,
    Verdict,
)

T = TypeVar("T")


class Store:
    """Use it as `with Store.open(home.db) as store`."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or make the database. Raises DatabaseNewer, DatabaseUnreadable, DatabaseBusy."""
        db = open_database(path)
        said.catch_up(db)
        return cls(db)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def moderation(self) -> Moderation:
        """What only moderators ask for: their queue, held drafts, votes and statistics."""
        return Moderation(self._db)

    @property
    def outbox(self) -> Outbox:
        """What of the store is still to be shown on Discord."""
        return Outbox(self._db)

    def writing(self) -> AbstractContextManager[None]:
        """Several writes as one: all of them are kept, or none."""
        return writing(self._db)

    # Replies

    def add_reply(self, new: NewReply, shown_in: Sequence[int] = ()) -> int:
        """Store a reply, which stands in its first Discord message and all of these. Gives its number."""
        return replies.add(self._db, new, shown_in)

    def reply(self, reply_id: int) -> Reply:
        return replies.get(self._db, reply_id)

    def reply_by_message(self, message_id: int) -> Reply | None:
        return replies.by_message(self._db, message_id)

    def answer_messages(self, reply_id: int) -> list[int]:
        """All Discord messages in which a reply stands or stood."""
        return answers.messages(self._db, reply_id)

    def extend_reply(
        self,
        reply_id: int,
        text: str,
        *,
        finish_reason: str,
        confidence: float | None,
        adapter: str | None,
        shown_in: Sequence[int] = (),
    ) -> bool:
        """Let a reply that broke off say `text`; False where it was judged already, or by another adapter."""
        return replies.extend(
            self._db,
            reply_id,
            text,
            finish_reason=finish_reason,
            confidence=confidence,
            adapter=adapter,
            shown_in=shown_in,
        )

    def set_message_id(self, reply_id: int, message_id: int) -> None:
        replies.set_message_id(self._db, reply_id, message_id)

    def recent_pending(self, limit: int, *, newest: bool = True) -> list[Reply]:
        return replies.recent_pending(self._db, limit, newest=newest)

    # Reviews

    def add_review(
        self,
        reply_id: int,
        verdict: Verdict,
        *,
        reviewer: str,
        reviewer_id: int | None = None,
        edited_text: str | None = None,
        reason: str | None = None,
    ) -> Review:
        """Add a verdict. Raises ReplyNotFound, ReplyRedacted, EditEmpty."""
        return reviews.add(
            self._db,
            reply_id,
            verdict,
            reviewer=reviewer,
            reviewer_id=reviewer_id,
            edited_text=edited_text,
            reason=reason,
        )

    def latest_review(self, reply_id: int) -> Review | None:
        return reviews.latest(self._db, reply_id)

    def reviews(self, reply_id: int) -> list[Review]:
        return reviews.of_reply(self._db, reply_id)

    # Pairs

    def counts(self, consent: ConsentRule = "members", *, servers: Sequence[int] = ()) -> PairCounts:
        return pairs.counts(self._db, consent, named=servers)

    def eligible_pairs(
        self, consent: ConsentRule, reply_ids: Sequence[int] | None = None, *, servers: Sequence[int] = ()
    ) -> Iterator[Pair]:
        """Pairs to train on (or those of some replies), by number. Read to the end before writing with this store.

        `servers` are those that the operator named; none: the first server that the bot joined.
        """
        return pairs.eligible(self._db, consent, reply_ids, named=servers)

    def choices(
        self, reply_ids: Iterable[int], consent: ConsentRule, *, servers: Sequence[int] = ()
    ) -> Iterator[Choice]:
        """Which answers were preferred to which others on the prompts of these eligible pairs."""
        return preferences.of_pairs(self._db, reply_ids, consent, named=servers)

    def remember_home_server(self, joined: Sequence[int]) -> int | None:
        """The first server that the bot joined, remembered for good: one of these, the earliest first."""
        return servers.remember_home(self._db, joined)

    def teaching_servers(self, named: Sequence[int] = ()) -> tuple[int, ...]:
        """The servers whose pairs are learned from: those the operator named, or the first one."""
        return servers.teaching(self._db, named)

    def pairs(self) -> Iterator[Pair]:
        """Every approved pair, whoever consented: for an export. Read to the end before writing."""
        return pairs.approved(self._db)

    def import_pairs(
        self,
        new: Iterable[NewPair],
        approved_by: str,
        *,
        guild_id: int | None = None,
        by: int | None = None,
        note: Callable[[ImportCount], Act] | None = None,
    ) -> ImportCount:
        """Take in a file's pairs; they belong to a server (and wait for a second moderator), or to the operator.

        `note` says how it is written down in the audit, in the same transaction.
        """
        return imports.add(self._db, new, approved_by, guild_id=guild_id, by=by, note=note)

    # Quarantine

    def quarantine(self, run_id: str, outliers: Iterable[tuple[int, str]]) -> int:
        """Set pairs (reply, why) aside until a second person decides; gives how many are newly held."""
        return quarantine.put(self._db, run_id, outliers)

    def quarantined(
        self,
        *,
        guild_id: int | None = None,
        limit: int | None = 50,
        imports_of: Sequence[int] | None = None,
        places: Sequence[int] | None = None,
    ) -> list[Quarantined]:
        """Pairs of a server (None: of all) that wait for a decision, the longest waiting first.

        `imports_of` adds the operator's imports and those of these servers that a night set aside. With `places`, of
        what was said on Discord only what was said in these channels.
        """
        return quarantine.held(self._db, guild_id, limit, imports_of, places)

    def decide_quarantine(self, reply_id: int, *, confirmed: bool, actor: str, actor_id: int | None) -> None:
        """Let a held pair in or keep it out. Raises NotInQuarantine, SecondModeratorNeeded."""
        quarantine.decide(self._db, reply_id, confirmed=confirmed, actor=actor, actor_id=actor_id)

    def confirmed_pairs(self) -> frozenset[int]:
        """Replies whose words were let in by a second person, for good."""
        return quarantine.confirmed(self._db)

    # Members: consent, what is held of them, forgetting

    def consent(self, user_id: int) -> Consent | None:
        return consents.get(self._db, user_id)

    def set_consent(self, user_id: int, opted_in: bool) -> Consent:
        return consents.put(self._db, user_id, opted_in=opted_in)

    def forget(self, user_id: int, before: int | None = None) -> Forgotten:
        """Remove a person's words and traces, and write down that it was done (not for whom).

        What they said up to Discord's number `before` is not stored again, though it may be read again.
        """
        return redactions.forget(self._db, user_id, before)

    def withheld(self, spoken: Iterable[tuple[int, int | None]]) -> set[int]:
        """Of these Discord messages (number, author; None for the bot's), those that are not to be shown or stored."""
        return forgettings.withheld(self._db, spoken)

    # Posts: where on Discord stored words are shown

    def add_post(self, post: Post) -> bool:
        """Keep where something was posted; gives whether its words were removed meanwhile, so that it is to go."""
        return posts.add(self._db, post)

    def card(self, reply_id: int) -> Post | None:
        return posts.card(self._db, reply_id)

    def first_carded(self) -> int | None:
        """The lowest reply whose card is known."""
        return posts.first_carded(self._db)

    def due_posts(self, limit: int = 100) -> list[Post]:
        """Posts whose words were removed, and which are still to be blanked; newest first."""
        return posts.due(self._db, limit)

    def post_done(self, message_id: int) -> None:
        """It was blanked."""
        posts.done(self._db, [message_id])

    def posts_gone(self, message_ids: Iterable[int]) -> None:
        """These messages are no longer on Discord."""
        posts.gone(self._db, message_ids)

    def erase(self, *, at_most: int | None = erasure.AT_ONCE) -> bool:
        """Overwrite in the files what removals could not at once; gives whether nothing is left to do."""
        return erasure.carry_out(self._db, at_most=at_most)

    def redact_message(self, message_id: int) -> int:
        """Remove a Discord message's words; gives the number of replies redacted."""
        return len(redactions.redact_messages(self._db, [message_id]))

    def redact_messages(self, message_ids: Iterable[int]) -> list[int]:
        """Remove the words of many messages at once; gives the numbers of the replies that showed them."""
        return redactions.redact_messages(self._db, message_ids)

    def standing_messages(self, since: str, limit: int) -> dict[tuple[int | None, int], list[int]]:
        """Discord messages whose words the newest `limit` replies hold, by server and channel, newest first."""
        return messages.standing(self._db, since, limit)

    def messages_in(self, channel_id: int) -> list[int]:
        """Discord messages of one channel and its threads whose words are stored."""
        return messages.in_channel(self._db, channel_id)

    def add_thread(self, thread_id: int, parent_id: int, *, private: bool | None = None) -> None:
        """Keep which channel a thread belongs to, for when that channel is deleted or the thread archived."""
        messages.add_thread(self._db, thread_id, parent_id, private=private)

    def thread(self, thread_id: int) -> StoredThread | None:
        return messages.thread(self._db, thread_id)

    def places(self, guild_id: int) -> list[int]:
        """Channels and threads of a server in which something was said to the bot."""
        return messages.places(self._db, guild_id)

    def channels(self, guild_id: int) -> list[int]:
        """Channels and threads of a server whose words are stored, newest first."""
        return messages.channels(self._db, guild_id)

    def recent_channels(self, limit: int) -> list[int]:
        """Channels that the newest `limit` replies were given in."""
        return messages.recent_channels(self._db, limit)

    def introduced(self, user_id: int) -> bool:
        """Whether a person was told how learning works."""
        return members.introduced(self._db, user_id)

    def introduce(self, user_id: int) -> bool:
        """Whether a person is to be told now how learning works; true once for each."""
        return members.introduce(self._db, user_id)

    def holdings(self, user_id: int) -> Holdings:
        """How much is stored of a person."""
        return members.holdings(self._db, user_id)

    def export_member(self, user_id: int) -> dict[str, Any]:
        """All that is stored of a person, ready for JSON; nobody else's words."""
        return members.export(self._db, user_id)

    def purge(self, before: str, *, after: int = 0, batch: int = 500) -> Purge:
        """Delete one batch of what is older than `before`, neither reviewed nor consented to."""
        return retention.purge(self._db, before, after=after, batch=batch)

    # Audit

    def audit(
        self,
        actor_id: int | None,
        actor: str,
        action: str,
        subject: str = "",
        *,
        guild_id: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down an administrative act, such as "settings.persona"; no `guild_id`: it concerns every server."""
        audit.add(self._db, actor_id, actor, action, subject, guild_id=guild_id, details=details)

    def together(self) -> AbstractContextManager[None]:
        """One transaction for all that is written inside: kept whole, or not at all."""
        return writing(self._db)

    def act(self, fn: Callable[[Self], T], note: Callable[[T], Act]) -> T:
        """Do something and write it down in one transaction: both are kept, or neither.

        Args:
            fn: what is done with this store; its result is given back.
            note: how it is written down, made from that result.
        """
        with self.together():
            result = fn(self)
            audit.insert_act(self._db, note(result))
        erasure.carry_out(self._db)  # what `fn` removed, if it did: that takes no part in a transaction
        return result

    def audit_log(self, guild_id: int | None = None, limit: int = 50) -> list[AuditEntry]:
        """The last acts on a server (None: on any), newest first."""
        return audit.recent(self._db, guild_id, limit)

    def answers_since(self, asker_id: int, guild_id: int | None, since: datetime) -> int:
        """How many answers a person was given on a server (None: in direct messages) in the day from a moment on."""
        return quotas.answers_since(self._db, asker_id, guild_id, since)

    # Settings made on Discord

    def guild_settings(self) -> list[GuildSetting]:
        return guild_settings.every(self._db)

    def set_guild_setting(self, guild_id: int, name: str, value: Any, *, channel_id: int = 0) -> None:
        """Keep a value (anything JSON holds) for a server or one channel of it; None goes back to the default."""
        guild_settings.put(self._db, guild_id, channel_id, name, value)

    # What the bot remembers about itself

    def state(self, name: str) -> str | None:
        return state.get(self._db, name)

    def set_state(self, name: str, value: str) -> None:
        state.put(self._db, name, value)

    # Runs

    def start_run(self, trigger: str, local_date: str, pid: int, config: Mapping[str, Any]) -> Run:
        return runs.start(self._db, trigger, local_date, pid, config)

    def update_run(self, run_id: str, **fields: Any) -> None:
        runs.update(self._db, run_id, fields)

    def finish_run(self, run_id: str, outcome: Outcome, reason: str, **fields: Any) -> None:
        runs.finish(self._db, run_id, outcome, reason, fields)

    def run(self, run_id: str) -> Run:
        return runs.get(self._db, run_id)

    def runs(self, limit: int = 20) -> list[Run]:
        return runs.recent(self._db, limit)

    def nights(self) -> list[str]:
        """Local dates of the scheduled runs that are over, in no order."""
        return runs.nights(self._db)

    def last_run(self) -> Run | None:
        return next(iter(runs.recent(self._db, 1)), None)

    def mark_reported(self, run_id: str) -> None:
        """Note that people were told how a run ended."""
        runs.mark_reported(self._db, run_id)

    def unreported_runs(self) -> list[Run]:
        """Runs of the schedule and of moderators that ended and that nobody was told of, oldest first."""
        return runs.unreported(self._db)

    def log_metrics(self, run_id: str, step: int, values: Mapping[str, float]) -> None:
        runs.log_metrics(self._db, run_id, step, values)

    def metrics(self, run_id: str) -> list[Metric]:
        return runs.metrics(self._db, run_id)

    def record_snapshot(self, run_id: str, reply_ids: Iterable[int]) -> None:
        """Keep which replies a run's snapshot held. Raises RunNotFound."""
        lineage.record(self._db, run_id, reply_ids)

    # Adapters and promotions

    def add_adapter(self, adapter: Adapter) -> None:
        """Add a published adapter's row. Raises AdapterExists."""
        registry.add(self._db, adapter)

    def adapter(self, adapter_id: str) -> Adapter:
        return registry.get(self._db, adapter_id)

    def adapters(self) -> list[Adapter]:
        return registry.every(self._db)

    def retire_adapter(self, adapter_id: str) -> None:
        registry.retire(self._db, adapter_id)

    def marked_adapters(self) -> list[str]:
        """Adapters, not retired yet, that saw words withdrawn since."""
        return lineage.marked(self._db)

    def retire_marked(self, *, keep: str | None = None) -> list[str]:
        """Retire the marked adapters when a run has put another in their place, which is `keep`.

        If words were withdrawn in the middle of that run, its adapter is marked already: the next run's turn.
        """
        return lineage.retire_marked(self._db, keep)

    def promote(
        self,
        adapter: str | None,
        *,
        kind: PromotionKind,
        actor: str,
        reason: str,
        expected: promotions.Expected = promotions.ANY,
    ) -> Promotion:
        """Make an adapter (None: the bare base) champion, in place of the one that is `expected` in use.

        Raises AdapterMissing, AdapterRetired, ChampionChanged.
        """
        return promotions.promote(self._db, adapter, kind=kind, actor=actor, reason=reason, expected=expected)

    def conclude_run(self, run_id: str, adapter: Adapter, *, expected: str | None, reason: str) -> Run:
        """Put a run's winner to use and close the run, in one transaction; gives the closed run."""
        return conclusions.conclude(self._db, run_id, adapter, expected=expected, reason=reason)

    def rollback(self, *, actor: str, reason: str, to: promotions.Expected = promotions.ANY) -> Promotion:
        """Go back to the champion before, if that is `to`. Raises NothingToRollBack, ChampionChanged."""
        return promotions.rollback(self._db, actor=actor, reason=reason, to=to)

    def champion_before(self) -> str | None:
        """The adapter that a rollback leads to. Raises NothingToRollBack."""
        return promotions.before(self._db)

    def champion(self) -> str | None:
        return promotions.champion(self._db)

    def promotions(self) -> list[Promotion]:
        return promotions.history(self._db)

    def last_promotion_id(self) -> int:
        return promotions.last_id(self._db)
