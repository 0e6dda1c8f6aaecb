"""What only moderators ask of the store, behind one object: queue, held drafts, votes, tallies, search.

Each method is a function of its noun's module; `Store.moderation` gives this. What is asked, is asked for one server.
"""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from storage import holds, pairs, queues, reviews, tallies, votes
from storage.database import writing
from storage.records import ConsentRule, Pair, Preference, QueueCard, QueueOrder, Reason, Review, Tally, Verdict


class Moderation:
    """A view of the store's connection, as cheap as a reference to it."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def next_card(
        self, guild_id: int, order: QueueOrder, after: int | None = None, *, places: Sequence[int] | None = None
    ) -> QueueCard | None:
        return queues.next_card(self._db, guild_id, order, after, places)

    def waiting(self, guild_id: int, *, places: Sequence[int] | None = None) -> int:
        return queues.waiting(self._db, guild_id, places)

    def judge(
        self,
        reply_id: int,
        verdict: Verdict,
        *,
        reviewer: str,
        reviewer_id: int,
        edited_text: str | None = None,
        reason: Reason | None = None,
    ) -> tuple[Review | None, Review]:
        """Add a verdict, to be carried out on Discord; gives the one that stood before it, and the new one.

        Raises what `Store.add_review` does.
        """
        with writing(self._db):
            before = reviews.latest(self._db, reply_id)
            review = reviews.add(
                self._db,
                reply_id,
                verdict,
                reviewer=reviewer,
                reviewer_id=reviewer_id,
                edited_text=edited_text,
                reason=reason,
            )
        return before, review

    def hold(self, reply_id: int, message_ids: Sequence[int]) -> None:
        holds.put(self._db, reply_id, message_ids)

    def held_in(self, reply_id: int) -> tuple[int, ...] | None:
        """The Discord messages of a held reply; None when it is not held."""
        return holds.messages(self._db, reply_id)

    def vote(self, run_id: str, sample: int, preference: Preference, *, voter_id: int, guild_id: int) -> None:
        votes.put(self._db, run_id, sample, preference, voter_id=voter_id, guild_id=guild_id)

    def votes(self, run_id: str, guild_id: int) -> dict[Preference, int]:
        return votes.tally(self._db, run_id, guild_id)

    def reviews_by_day(self, guild_id: int, since: str) -> list[Tally]:
        return tallies.by_day(self._db, guild_id, since)

    def reviews_by_adapter(self, guild_id: int) -> list[Tally]:
        return tallies.by_adapter(self._db, guild_id)

    def search_pairs(
        self,
        guild_id: int,
        text: str,
        limit: int,
        *,
        imports_of: Sequence[int] | None = None,
        places: Sequence[int] | None = None,
    ) -> list[Pair]:
        return pairs.search(self._db, guild_id, text, limit, imports_of=imports_of, places=places)

    def exportable_pairs(
        self,
        guild_id: int,
        consent: ConsentRule,
        *,
        servers: Sequence[int] = (),
        unowned: bool = False,
        places: Sequence[int] | None = None,
    ) -> list[Pair]:
        """What a server's moderators may take away: its eligible pairs, with the operator's where `unowned`."""
        found = pairs.eligible_of(self._db, guild_id, consent, named=servers, unowned=unowned, places=places)
        return list(found)
