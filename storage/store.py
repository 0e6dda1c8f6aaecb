"""The store: everything that is kept, behind one object.

One connection, used by the thread that opened it; the bot reaches it through `AsyncStore`. Here is the list of what can
be asked; each method is a function of its noun's module, which has its signature and docstring. Any method may raise
DatabaseBusy; those of a record that does not exist raise ReplyNotFound, RunNotFound or AdapterMissing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

# By their full names, since methods have those of some of these modules.
import storage.adapters
import storage.answerability
import storage.answers
import storage.audit
import storage.candidates
import storage.conclusions
import storage.consents
import storage.departures
import storage.documents
import storage.edit_distances
import storage.erasure
import storage.figures
import storage.forgotten_people
import storage.guild_settings
import storage.holds
import storage.imports
import storage.leases
import storage.lineage
import storage.members
import storage.messages
import storage.news
import storage.origins
import storage.outbox
import storage.pairs
import storage.posts
import storage.preferences
import storage.promotions
import storage.quarantine
import storage.queues
import storage.quotas
import storage.recall
import storage.recall_entries
import storage.recalled
import storage.redactions
import storage.replies
import storage.retention
import storage.reviews
import storage.runs
import storage.servers
import storage.state
import storage.tallies
import storage.undoings
import storage.votes
import storage.waiting
import storage.word_hashes
from storage.audit_records import Act
from storage.connected import Connected, method
from storage.database import open_database, writing
from storage.files.scratch_folder import sweep

T = TypeVar("T")


class Store(Connected):
    """Use it as `with Store.open(home.db) as store`."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or make the database. Raises DatabaseNewer, DatabaseUnreadable, DatabaseBusy."""
        sweep(path.parent)
        db = open_database(path)
        storage.word_hashes.catch_up(db)
        return cls(db)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def writing(self) -> AbstractContextManager[None]:
        """One transaction for all that is written inside: all of it is kept, or none."""
        return writing(self._db)

    def act(self, fn: Callable[[Self], T], note: Callable[[T], Act]) -> T:
        """Do something and write it down in one transaction: both are kept, or neither.

        Args:
            fn: what is done with this store; its result is returned.
            note: how it is written down, made from that result.
        """
        with self.writing():
            result = fn(self)
            storage.audit.insert_act(self._db, note(result))
        storage.erasure.carry_out(self._db)  # what `fn` removed, if it did: that takes no part in a transaction
        return result

    @property
    def outbox(self) -> storage.outbox.Outbox:
        """What of the store is still to be shown on Discord."""
        return storage.outbox.Outbox(self._db)

    add_reply = method(storage.replies.add)
    reply = method(storage.replies.get)
    people_in_reply = method(storage.replies.people)
    reply_by_message = method(storage.replies.by_message)
    extend_reply = method(storage.replies.extend)
    recent_pending = method(storage.replies.recent_pending)
    answer_messages = method(storage.answers.messages)
    answers_since = method(storage.quotas.answers_since)

    add_review = method(storage.reviews.add)
    judge = method(storage.reviews.judge)
    latest_review = method(storage.reviews.latest)
    reviews = method(storage.reviews.of_reply)
    reviews_by_day = method(storage.tallies.by_day)
    reviews_by_adapter = method(storage.tallies.by_adapter)
    figures = method(storage.figures.figures)
    edits_by_adapter = method(storage.edit_distances.by_adapter)
    edits_by_week = method(storage.edit_distances.by_week)
    next_card = method(storage.queues.next_card)
    waiting = method(storage.queues.waiting)
    hold = method(storage.holds.put)
    held_in = method(storage.holds.messages)

    undo_moderator = method(storage.undoings.undo)
    redo_moderator = method(storage.undoings.reverse)

    counts = method(storage.pairs.counts)
    waits_for = method(storage.waiting.waits_for)
    eligible_pairs = method(storage.pairs.eligible)
    exportable_pairs = method(storage.pairs.eligible_of)
    search_pairs = method(storage.pairs.search)
    pairs = method(storage.pairs.approved)
    choices = method(storage.preferences.of_pairs)
    import_pairs = method(storage.imports.add)
    remember_home_server = method(storage.servers.remember_home)
    left_servers = method(storage.departures.left)
    returned_to_servers = method(storage.departures.returned)
    servers_to_delete = method(storage.departures.due)
    known_servers = method(storage.departures.known)
    joined_servers = method(storage.departures.joined)
    delete_server = method(storage.departures.delete)
    teaching_servers = method(storage.servers.teaching)
    server_news = method(storage.news.by_server)

    quarantine = method(storage.quarantine.put)
    quarantined = method(storage.quarantine.held)
    decide_quarantine = method(storage.quarantine.decide)
    confirmed_pairs = method(storage.quarantine.confirmed)

    add_document = method(storage.documents.add)
    replace_document = method(storage.documents.replace)
    remove_document = method(storage.documents.remove)
    document = method(storage.documents.get)
    documents = method(storage.documents.of_server)
    every_document = method(storage.documents.every)
    chunks_of = method(storage.documents.chunks_of)
    matching_entries = method(storage.recall.matching)
    found_examples = method(storage.recall.examples)
    found_chunks = method(storage.recall.chunks)
    put_answerability = method(storage.answerability.put)
    handed_over = method(storage.answerability.handed_over)
    reviewed_answers = method(storage.answerability.reviewed)
    recalled_with = method(storage.recalled.of_reply)
    recalled_examples = method(storage.recalled.examples_of)
    vectors_of_replies = method(storage.recall_entries.vectors_of_replies)
    index_due = method(storage.recall_entries.index_due)
    recall_is_due = method(storage.recall_entries.is_due)
    use_recall_model = method(storage.recall_entries.use_model)
    unembedded = method(storage.recall_entries.unembedded)
    put_vectors = method(storage.recall_entries.put_vectors)
    vectors_version = method(storage.recall_entries.version)
    vector_ids = method(storage.recall_entries.vector_ids)
    vectors = method(storage.recall_entries.vectors)

    consent = method(storage.consents.get)
    set_consent = method(storage.consents.put)
    learned_origins = method(storage.origins.learned)
    message_content_permitted = method(storage.origins.permitted)
    permit_message_content = method(storage.origins.permit)
    introduced = method(storage.members.introduced)
    introduce = method(storage.members.introduce)
    member_data = method(storage.members.member_data)
    export_member = method(storage.members.export)
    forget = method(storage.redactions.forget)
    redact_messages = method(storage.redactions.redact_messages)
    withheld = method(storage.forgotten_people.withheld)
    purge = method(storage.retention.purge)
    erase = method(storage.erasure.carry_out)

    add_post = method(storage.posts.add)
    card = method(storage.posts.card)
    first_carded = method(storage.posts.first_carded)
    due_posts = method(storage.posts.due)
    post_done = method(storage.posts.done)
    posts_gone = method(storage.posts.gone)

    stored_messages = method(storage.messages.stored)
    messages_in = method(storage.messages.in_channel)
    add_thread = method(storage.messages.add_thread)
    thread = method(storage.messages.thread)
    places = method(storage.messages.places)
    channels = method(storage.messages.channels)
    recent_channels = method(storage.messages.recent_channels)

    audit = method(storage.audit.add)
    audit_search = method(storage.audit.search)
    guild_settings = method(storage.guild_settings.every)
    set_guild_setting = method(storage.guild_settings.put)
    take_lease = method(storage.leases.take)
    give_back_lease = method(storage.leases.give_back)
    lease = method(storage.leases.holder)
    state = method(storage.state.get)
    set_state = method(storage.state.put)

    start_run = method(storage.runs.start)
    update_run = method(storage.runs.update)
    finish_run = method(storage.runs.finish)
    conclude_run = method(storage.conclusions.conclude)
    candidates = method(storage.candidates.every)
    keep_candidate = method(storage.candidates.keep)
    candidate_pairs = method(storage.candidates.counted)
    count_for_candidate = method(storage.candidates.count)
    run = method(storage.runs.get)
    runs = method(storage.runs.recent)
    runs_of_voice = method(storage.runs.of_voice)
    last_run = method(storage.runs.last)
    nights = method(storage.runs.nights)
    first_start = method(storage.runs.first_start)
    mark_reported = method(storage.runs.mark_reported)
    unreported_runs = method(storage.runs.unreported)
    nights_since = method(storage.runs.nights_since)
    log_metrics = method(storage.runs.log_metrics)
    metrics = method(storage.runs.metrics)
    record_snapshot = method(storage.lineage.record)
    vote = method(storage.votes.put)
    votes = method(storage.votes.tally)

    add_adapter = method(storage.adapters.add)
    adapter = method(storage.adapters.get)
    adapters = method(storage.adapters.every)
    adapters_of_voice = method(storage.adapters.of_voice)
    retire_adapter = method(storage.adapters.retire)
    marked_adapters = method(storage.lineage.marked)

    promote = method(storage.promotions.promote)
    rollback = method(storage.promotions.rollback)
    champion = method(storage.promotions.champion)
    champion_before = method(storage.promotions.before)
    promotions = method(storage.promotions.history)
    voices_changed_since = method(storage.promotions.since)
    last_promotion_id = method(storage.promotions.last_id)
