"""Tokens guessed from what was said change how many passes an answer takes, and nothing that is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from model.chat import Message
from model.engine import Engine
from model.fused.cpu import compiled, kernels
from model.protocol import Sampling
from model.serving.look_ahead import Guesses, LookAhead, Pays
from tests.model.conftest import Tiny

ASKED = ["Hello", "sea sea sea sea sea sea", "What is the best way to print a small boat? " * 3]
WAYS = [
    Sampling(temperature=0, max_new_tokens=50),
    Sampling(temperature=0.3, seed=3, max_new_tokens=50),
    Sampling(temperature=0.3, repetition_penalty=1.3, top_p=0.8, seed=4, max_new_tokens=50),
]


def test_what_followed_last_time_is_guessed_and_the_longer_likeness_counts():
    """Of the last place, not of the first."""
    guesses = Guesses()
    text = [1, 2, 3, 4, 5, 9, 2, 3, 6, 7]
    assert guesses.next(text, 8, 3) == []
    text += [8, 2]
    assert guesses.next(text, 3, 3) == [6, 7, 8]  # 2 3 stood last before 6
    text += [3, 1, 2]
    assert guesses.next(text, 3, 2) == [4, 5]  # 1 2 3 before 4, though 2 3 came later


def test_repetition_and_another_text():
    """The end of the text may be its own likeness; a new conversation knows nothing of the last."""
    guesses, text = Guesses(), [7, 5, 5, 5]
    assert guesses.next(text, 5, 3) == [5]
    assert guesses.next([1], 5, 3) == []
    assert guesses.next([7, 5, 5, 6], 5, 3) == []


def guessed_share(cost: float, came_true: int, passes: int = 2000) -> float:
    """The share of passes with guesses, where such a pass costs so much and so many guesses come true."""
    pays, guessed = Pays(), 0
    pays.passed(1.0, guessed=False)
    for _ in range(passes):
        if pays():
            guessed += 1
            pays.passed(cost, guessed=True)
            pays.came_true(came_true)
        else:
            pays.passed(1.0, guessed=False)
    return guessed / passes


def test_guesses_are_left_out_where_they_do_not_pay():
    """And tried again now and then."""
    assert guessed_share(1.3, 2) == 1.0
    assert guessed_share(1.3, 1) == 1.0
    assert 0 < guessed_share(1.3, 0) < 0.06
    assert 0 < guessed_share(4.5, 3) < 0.06
    assert 0.3 * guessed_share(1.3, 0) < 0.02, "time lost"


@pytest.fixture
def passes(monkeypatch) -> list[int]:
    """Tokens of each pass of a look-ahead; guesses always pay."""
    monkeypatch.setattr(Pays, "__call__", lambda _: True)
    seen: list[int] = []
    own = LookAhead.of.__func__  # type: ignore[attr-defined]

    def of(cls, fused, most, length):
        several = fused.several
        monkeypatch.setattr(fused, "several", lambda tokens, *rest: seen.append(len(tokens)) or several(tokens, *rest))
        return own(cls, fused, most, length)

    monkeypatch.setattr(LookAhead, "of", classmethod(of))
    return seen


async def said(engine: Engine, *, at_once: bool) -> list[str]:
    async def one(question: str, sampling: Sampling) -> str:
        return (await engine.submit([Message("user", question)], sampling).wait()).text

    asked = [one(question, sampling) for question in ASKED for sampling in WAYS]
    return list(await asyncio.gather(*asked)) if at_once else [await answer for answer in asked]


@pytest.mark.skipif(not (kernels.usable() and compiled.library()), reason="needs the C pass")
@pytest.mark.parametrize("family", ["llama", "mistral", "smollm3", "phi3", "gemma3"])
async def test_greedy_and_drawn_answers_are_those_without(tiny_of: Callable[[str], Tiny], start, passes, family):
    """One after another, and with rows that come and go beside them; in fewer passes than tokens."""
    tiny = tiny_of(family)
    plain, guessing = await start(tiny, tiny.a), await start(tiny, tiny.a, draft_tokens=3)
    expected = await said(plain, at_once=False)
    assert not passes
    assert await said(guessing, at_once=False) == expected
    assert max(passes) == 4
    assert len(passes) < 0.95 * len(ASKED) * len(WAYS) * 50, "guesses came true"
    assert await said(guessing, at_once=True) == expected


@pytest.mark.skipif(not (kernels.usable() and compiled.library()), reason="needs the C pass")
async def test_an_answer_to_the_end_of_the_cache_is_that_without(tiny: Tiny, start, passes):
    """No guess stands beyond it."""
    long = Sampling(temperature=0, max_new_tokens=200)
    asked = [Message("user", "sea " * 8)]
    engines = [await start(tiny, tiny.a, context_tokens=96, draft_tokens=draft) for draft in (0, 7)]
    one, other = [await engine.submit(asked, long).wait() for engine in engines]
    assert (one.text, one.finish_reason) == (other.text, other.finish_reason)
    assert max(passes) > 1
