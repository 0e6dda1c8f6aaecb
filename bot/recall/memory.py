"""The memory: finds approved replies and documents that fit a question, as soon as they are stored.

Hybrid search: the words (FTS5's bm25) and the vectors each give a ranking, and reciprocal rank fusion makes them one.
What may be shown is asked of the store and of Discord each time; a vector in memory never decides it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.recall.answerability import Answerability
from bot.recall.ranking import fused, score_of
from bot.recall.records import NOTHING, Question, Shown, ShownChunk, ShownExample
from bot.recall.vectors import Scope, Vectors
from bot.settings import Settings
from storage.async_store import AsyncStore
from storage.recall_records import FoundChunk, FoundExample
from storage.store import Store
from trainer.voices import voice_of

__all__ = ["Memory"]

_NEAREST = 256  # candidates by their vectors
_WORDS = 64  # and by their words
_AT_ONCE = 24  # candidates looked at together: of the first ones most may be shown
_BEFORE_ANSWER = 32  # entries that get a vector before a question is answered; more get theirs in the background
_BATCH = 128


@dataclass(frozen=True)
class _Found:
    ranking: list[int]
    cosines: dict[int, float]


class Memory:
    """One for a store. `recall` is quick; `catch_up` is called again and again in the background."""

    def __init__(self, store: AsyncStore, settings: Settings) -> None:
        self._store = store
        self._config = settings.memory
        self._consent = settings.consent
        self._servers = settings.training.servers
        self._settings = settings
        self.vectors = Vectors(store, settings.memory)
        self.answerability = Answerability(store)

    @property
    def on(self) -> bool:
        """Whether anything is ever shown."""
        return bool(self._config.examples or self._config.chunks)

    async def close(self) -> None:
        """Let go of what it holds."""
        await self.vectors.close()

    async def catch_up(self) -> None:
        """Index what was approved or added, by other processes too."""
        if not self.on or not await self._store.read(Store.recall_is_due, vectors=self.vectors.wanted):
            return
        await self.vectors.load()
        while await self._store.call(Store.index_due):
            pass
        while await self.vectors.embed(_BATCH):
            pass

    async def recall(self, question: Question) -> Shown:
        """What fits a question and may be shown; see `bot.recall.prompt` for what of it fits the prompt."""
        if not self.on or not question.text.strip():
            return NOTHING
        await self._take_in_newest()
        own = Scope(question.guild_id, documents=False)
        scopes = {False: [own, Scope(0, documents=False)], True: [Scope(question.guild_id, documents=True)]}
        near = await self.vectors.cosines(question.text, [*scopes[False], *scopes[True]], _NEAREST)
        examples, chunks = [
            await self._find(question, scopes[documents], near, documents=documents) for documents in (False, True)
        ]
        shown_examples = await self._examples(question, examples)
        shown_chunks = await self._chunks(question, chunks)
        best = max([*(one.score for one in shown_examples), *(one.score for one in shown_chunks)], default=0.0)
        config = self._config
        return Shown(
            tuple(one for one in shown_chunks if one.score >= config.chunk_score)[: config.chunks],
            tuple(one for one in shown_examples if one.score >= config.example_score)[: config.examples],
            best=best,
        )

    async def _take_in_newest(self) -> None:
        """An approval of this second is found by the next question."""
        if await self._store.read(Store.recall_is_due, vectors=self.vectors.ready):
            self.vectors.load_soon()
            await self._store.call(Store.index_due, _BATCH)
            await self.vectors.embed(_BEFORE_ANSWER)

    async def _find(
        self,
        question: Question,
        scopes: Sequence[Scope],
        near: dict[Scope, list[tuple[int, float]]],
        *,
        documents: bool,
    ) -> _Found:
        guilds = [scope.guild_id for scope in scopes]
        words = await self._store.read(Store.matching_entries, guilds, question.text, documents=documents, limit=_WORDS)
        nearest = sorted((row for scope in scopes for row in near.get(scope, [])), key=lambda row: -row[1])
        return _Found(fused([words, [number for number, _ in nearest]]), dict(nearest))

    async def _examples(self, question: Question, found: _Found) -> list[ShownExample]:
        """Those that may be shown, of the same channel first, then the best first."""
        chosen: list[ShownExample] = []
        for start in range(0, len(found.ranking), _AT_ONCE):
            rows: list[FoundExample] = await self._store.read(
                Store.found_examples,
                question.guild_id,
                found.ranking[start : start + _AT_ONCE],
                self._consent,
                servers=self._servers,
                without=question.without,
                voice=voice_of(self._settings, question.guild_id),
            )
            for one in rows:
                score = score_of(one.entry_id, found.cosines, question.text, one.question)
                if await self._readable(question, one.channel_id):
                    chosen.append(ShownExample(one, score))
            if sum(one.score >= self._config.example_score for one in chosen) >= self._config.examples:
                break
        near = set(question.channels)
        return sorted(chosen, key=lambda one: (one.found.channel_id not in near, -one.score))

    async def _chunks(self, question: Question, found: _Found) -> list[ShownChunk]:
        chosen: list[ShownChunk] = []
        rows: list[FoundChunk] = await self._store.read(Store.found_chunks, question.guild_id, found.ranking[:_AT_ONCE])
        for one in rows:
            score = score_of(one.entry_id, found.cosines, question.text, f"{one.title} {one.heading} {one.text}")
            if await self._readable(question, one.channel_id):
                chosen.append(ShownChunk(one, score))
        return chosen

    async def _readable(self, question: Question, channel_id: int | None) -> bool:
        return channel_id is None or await question.may_show(channel_id)
