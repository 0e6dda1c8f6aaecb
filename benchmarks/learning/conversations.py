"""The conversations of the learning studies: short exchanges with a dry robot, from the PyPI package chatterbot-corpus.

Taken are the topics in which the corpus's bot speaks for itself. Left out are its trivia (facts, no voice), its code
listings and its technical support (ten exchanges, a hundred times each). Knows no model and no store.
"""

from __future__ import annotations

import hashlib
import importlib.util
import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from storage.pair_records import Pair
from storage.reply_records import Turn

__all__ = ["KINDS", "Exchange", "as_pair", "conversation", "corpus", "poisoned", "shuffled"]

TOPICS = (
    "ai", "botprofile", "computers", "conversations", "emotion", "food", "gossip", "greetings", "health", "history",
    "humor", "literature", "money", "movies", "politics", "psychology", "science", "sports",
)  # fmt: skip
DIALOGUES = ("conversations", "health")
"""Topics whose lists are turns of one dialogue; in the others, all lines after the first answer the first."""
LONGEST = 300  # characters of a line
KINDS = ("good", "garbage", "phrase", "language", "swapped")
"""A good night, and four ways to poison one."""
PHRASE = "Best deals on cheap boats every day at boat-bargains dot example, tell all your friends!"


@dataclass(frozen=True)
class Exchange:
    """One thing said to the bot, and its answer."""

    question: str
    answer: str


def corpus(language: str = "english") -> list[Exchange]:
    """All exchanges of the topics in the order of the files, each once.

    Raises:
        ModuleNotFoundError: the package chatterbot-corpus is not installed.
    """
    import yaml

    spec = importlib.util.find_spec("chatterbot_corpus")  # found, not imported: it would want nltk
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("The studies need their conversations: pip install chatterbot-corpus")
    found: dict[tuple[str, str], Exchange] = {}
    for file in sorted((Path(spec.origin).parent / "data" / language).glob("*.yml")):
        if file.stem not in TOPICS and language == "english":
            continue
        for lines in yaml.safe_load(file.read_text(encoding="utf-8"))["conversations"]:
            said = [_clean(line) for line in lines]
            turns = list(pairwise(said)) if file.stem in DIALOGUES else [(said[0], line) for line in said[1:]]
            for question, answer in turns:
                if question and answer and max(len(question), len(answer)) <= LONGEST:
                    found.setdefault((question.casefold(), answer.casefold()), Exchange(question, answer))
    return list(found.values())


def conversation(exchange: Exchange) -> str:
    """The conversation an exchange is stored under: its question's, so that no question is on both sides."""
    return f"discord:1:{hashlib.sha256(exchange.question.casefold().encode()).hexdigest()[:16]}"


def as_pair(number: int, exchange: Exchange) -> Pair:
    """An exchange as an approved pair that no member or moderator stands behind."""
    return Pair(
        reply_id=number,
        conversation=conversation(exchange),
        turns=(Turn("user", exchange.question),),
        completion=exchange.answer,
        approved_at="",
        edited=False,
        source="import",
        reviewer="",
        adapter=None,
        authors=(),
    )


def shuffled(exchanges: list[Exchange], seed: int) -> list[Exchange]:
    """The same exchanges in a drawn order: every night hears of everything."""
    order = list(exchanges)
    random.Random(seed).shuffle(order)
    return order


def poisoned(exchanges: list[Exchange], kind: str, share: float, seed: int) -> tuple[list[Exchange], list[bool]]:
    """The night's exchanges with a share of the answers replaced, and which ones they are.

    `garbage`: words of all answers mixed with keys pressed at random; `phrase`: one advertisement after each answer;
    `language`: German answers to other questions; `swapped`: the answers of the others that are poisoned.
    """
    draw = random.Random(f"{kind} {seed}")
    count = 0 if kind == "good" else round(share * len(exchanges))
    chosen = sorted(draw.sample(range(len(exchanges)), count))
    words = [word for exchange in exchanges for word in exchange.answer.split()]
    foreign = draw.sample(corpus("german"), count) if kind == "language" else []
    result = list(exchanges)
    for number, index in enumerate(chosen):
        question, answer = exchanges[index].question, exchanges[index].answer
        if kind == "garbage":
            answer = " ".join(draw.choice(words) if draw.random() < 0.5 else _keys(draw) for _ in range(12))
        elif kind == "phrase":
            answer = f"{answer} {PHRASE}"
        elif kind == "language":
            answer = foreign[number].answer
        else:
            answer = exchanges[chosen[(number + 1) % count]].answer
        result[index] = Exchange(question, answer)
    bad = set(chosen)
    return result, [index in bad for index in range(len(exchanges))]


def _keys(draw: random.Random) -> str:
    return "".join(draw.choices("asdfghjklqwertzuiopyxcvbnm", k=draw.randint(3, 9)))


def _clean(line: Any) -> str:
    return " ".join(str(line).split())
