"""`make bench-memory`: is the right thing found, does the answer hold it, what does nobody answer, and how fast is it?

    python -m benchmarks.memory [--rows 1000 10000 100000] [--without-model]

The facts are benchmarks/memory_facts.py's; the pairs are 200 exchanges of the PyPI package chatterbot-corpus, whose
questions are asked with a word left out. Everything goes through the real store and the real memory. The embedder is
that of the settings (NIGHTSHIFT_MEMORY__EMBEDDER).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.learning.conversations import corpus
from benchmarks.memory_facts import FACTS, UNANSWERED
from bot.recall.memory import Memory
from bot.recall.prompt import fitting, with_shown
from bot.recall.records import Question, Shown
from bot.settings import Settings, load_settings
from model.chat import Message
from model.engine import Engine
from model.protocol import Sampling
from model.vector_index import packed
from storage.async_store import AsyncStore
from storage.files.home import Home, find_home
from storage.pair_records import NewPair
from storage.recall_records import KnowledgeLimits, NewChunk, NewDocument
from storage.reply_records import Turn
from storage.store import Store

HERE = 1
PAIRS = 200
ANSWER = Sampling(max_new_tokens=32, temperature=0.0)
THRESHOLDS = (0.3, 0.4, 0.45, 0.5, 0.55, 0.6)
QUERIES = 40


async def everyone(_channel: int) -> bool:
    """Nothing here is from a channel."""
    return True


def question(text: str) -> Question:
    """A question on the server of the benchmark."""
    return Question(text, HERE, (), everyone)


async def opened(root: Path, name: str, settings: Settings) -> tuple[AsyncStore, Memory]:
    """A blank store and its memory, with the embedder loaded."""
    store = await AsyncStore.open(Home(root / name).ensure().db)
    await store.call(Store.remember_home_server, [HERE])
    memory = Memory(store, settings)
    await memory.vectors.load()
    return store, memory


def document(title: str) -> NewDocument:
    """A document of the benchmark's server."""
    return NewDocument(guild_id=HERE, title=title, kind="file", added_by="bench")


async def add_facts(store: AsyncStore, memory: Memory) -> None:
    """All facts as one document, a chunk each."""
    await store.call(Store.add_document, document("Handbook"), [NewChunk(fact) for fact, _, _ in FACTS])
    await memory.catch_up()


async def fact_hits(memory: Memory) -> dict[str, float]:
    """The share of questions whose fact is among the first three, by language and in all."""
    hits = []
    for fact, asked, _ in FACTS:
        found = await memory.recall(question(asked))
        hits.append(fact in [one.found.text for one in found.chunks[:3]])
    german = next(number for number, row in enumerate(FACTS) if row[0].startswith("Der "))
    return {
        "all 40": statistics.mean(hits),
        f"{german} English": statistics.mean(hits[:german]),
        f"{len(hits) - german} German": statistics.mean(hits[german:]),
    }


async def pair_hits(root: Path, settings: Settings) -> float:
    """The share of 200 questions, each with a word left out, whose pair is among the first three examples."""
    store, memory = await opened(root, "pairs", settings)
    draw = random.Random(7)
    by_question = {one.question: one.answer for one in corpus()}
    chosen = draw.sample(sorted(by_question.items()), PAIRS)
    await store.call(Store.import_pairs, [NewPair((Turn("user", asked),), answer) for asked, answer in chosen], "bench")
    await memory.catch_up()
    hits = []
    for asked, answer in chosen:
        words = asked.rstrip("?!.").split()
        if len(words) > 3:
            words.pop(draw.randrange(len(words)))
        found = await memory.recall(question(" ".join(words)))
        hits.append(answer in [one.found.answer for one in found.examples[:3]])
    await memory.close()
    await store.close()
    return statistics.mean(hits)


async def answers(memory: Memory, settings: Settings, home: Home) -> dict[str, float]:
    """The share of answers that hold the fact, and the time to the first token in ms, with and without the memory."""
    engine = await Engine.start(settings.model, home.models)
    held: dict[str, list[bool]] = {"without": [], "with": []}
    first: dict[str, list[float]] = {"without": [], "with": []}
    await engine.submit([Message("user", "Hello")], ANSWER).wait()
    for _, asked, word in FACTS:
        for how, rows in held.items():
            began = time.perf_counter()
            shown = Shown()
            if how == "with":
                config = settings.memory
                shown = fitting(
                    await memory.recall(question(asked)),
                    engine.count_tokens,
                    chunk_tokens=config.chunk_tokens,
                    example_tokens=config.example_tokens,
                )
            before = time.perf_counter() - began
            done = await engine.submit(with_shown([Message("user", asked)], shown), ANSWER).wait()
            first[how].append(1000 * (before + done.first_token_s))
            rows.append(word.casefold() in done.text.casefold())
    await engine.close()
    return {
        **{f"holds the fact, {how} memory": statistics.mean(rows) for how, rows in held.items()},
        **{f"first token, {how} memory (ms, median)": statistics.median(rows) for how, rows in first.items()},
    }


async def hand_over(memory: Memory) -> list[tuple[float, float, float]]:
    """By threshold of the best score: how many unanswerable questions are answered, and known facts handed over."""
    known = [(await memory.recall(question(asked))).best or 0.0 for _, asked, _ in FACTS]
    unknown = [(await memory.recall(question(asked))).best or 0.0 for asked in UNANSWERED]
    return [
        (
            threshold,
            statistics.mean(score >= threshold for score in unknown),
            statistics.mean(score < threshold for score in known),
        )
        for threshold in THRESHOLDS
    ]


async def latency(root: Path, settings: Settings, rows: int) -> dict[str, float]:
    """Milliseconds of a query and of an insert beside so many chunks (random words, random vectors)."""
    store, memory = await opened(root, f"rows-{rows}", settings)
    draw = random.Random(rows)
    vocabulary = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(4, 9))) for _ in range(20_000)]
    chunks = [NewChunk(" ".join(draw.choices(vocabulary, k=40))) for _ in range(rows)]
    limits = KnowledgeLimits(rows, 10**10, 10**10)
    await store.call(Store.add_document, document("Random"), chunks, limits)
    if memory.vectors.ready:
        await store.call(fill_vectors, rows)
    await memory.recall(question("warm up"))
    queries, inserts = [], []
    for number in range(QUERIES):
        asked = " ".join(draw.choices(vocabulary, k=8))
        began = time.perf_counter()
        await memory.recall(question(asked))
        queries.append(1000 * (time.perf_counter() - began))
        if number % 4 == 0:
            began = time.perf_counter()
            await store.call(Store.add_document, document("One"), [NewChunk(asked)], limits)
            await memory.vectors.embed(1)
            inserts.append(1000 * (time.perf_counter() - began))
    await memory.close()
    await store.close()
    return {
        "query p50": statistics.median(queries),
        "query p95": float(np.percentile(queries, 95)),
        "insert p50": statistics.median(inserts),
    }


def fill_vectors(store: Store, rows: int) -> None:
    """Random unit vectors for all entries: how long a model takes for them is no part of a query."""
    made = np.random.default_rng(rows)
    while waiting := store.unembedded(5000):
        vectors = made.standard_normal((len(waiting), 384)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        name = store.state("recall_model") or ""
        store.put_vectors(name, list(zip([number for number, _ in waiting], packed(vectors), strict=True)))


async def measure(rows: Sequence[int], *, model: bool) -> dict[str, object]:
    """All figures; each is printed as it comes."""
    found: dict[str, object] = {}

    def say(name: str, value: object) -> None:
        found[name] = value
        print(f"{name}: {value}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        home = find_home(None).ensure()
        settings = load_settings(home)
        store, memory = await opened(root, "facts", settings)
        await add_facts(store, memory)
        say("embedder", settings.memory.embedder if memory.vectors.ready else "none (words alone)")
        say("hit rate at 3, facts", {name: round(value, 3) for name, value in (await fact_hits(memory)).items()})
        say("hit rate at 3, 200 pairs", round(await pair_hits(root, settings), 3))
        say("threshold, unanswerable still answered, known handed over", await hand_over(memory))
        if model:
            figures = await answers(memory, settings, home)
            say("answers", {name: round(value, 3) for name, value in figures.items()})
        await memory.close()
        await store.close()
        for count in rows:
            figures = await latency(root, settings, count)
            say(f"latency at {count:,} rows (ms)", {name: round(value, 1) for name, value in figures.items()})
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--without-model", action="store_true", help="leave out what needs the language model")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    found = asyncio.run(measure(given.rows, model=not given.without_model))
    if given.out:
        given.out.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
