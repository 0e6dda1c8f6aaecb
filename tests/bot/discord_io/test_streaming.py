"""How a growing answer is cut into messages and when it is edited: bot/discord_io/streaming.py."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from bot.discord_io.streaming import MESSAGE_LIMIT, MessageStream, split


class Post:
    """A message that remembers when it was written."""

    def __init__(self, content: str, clock: Clock) -> None:
        self.history = [(clock.now, content)]
        self._clock = clock

    async def edit(self, *, content: str) -> None:
        self.history.append((self._clock.now, content))

    @property
    def content(self) -> str:
        return self.history[-1][1]


class Clock:
    """Time that passes only when told, or by sleeping."""

    now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Channel:
    """Collects what is sent, with the first message given for each further one."""

    def __init__(self, clock: Clock) -> None:
        self.posts: list[Post] = []
        self.firsts: list[Post | None] = []
        self._clock = clock

    async def send(self, content: str, first: Post | None) -> Post:
        self.posts.append(Post(content, self._clock))
        self.firsts.append(first)
        return self.posts[-1]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def channel(clock: Clock) -> Channel:
    return Channel(clock)


@pytest.fixture
def stream(channel: Channel, clock: Clock) -> MessageStream:
    return MessageStream(channel.send, clock=lambda: clock.now, sleep=clock.sleep)


def test_a_short_text_is_one_part():
    """What fits is not touched."""
    assert split("Hello.\nWorld.") == ["Hello.\nWorld."]


def test_nothing_is_no_part():
    """Discord takes no empty message, so there is none."""
    assert split("  \n") == []


def test_text_is_cut_between_paragraphs_first():
    """A paragraph is kept whole when the part before it is long enough."""
    assert split("a" * 60 + "\n\n" + "b" * 60, 100) == ["a" * 60, "b" * 60]


def test_text_is_cut_at_the_end_of_a_sentence_next():
    """Within one paragraph the cut falls after a full stop."""
    first, second = split("This is a sentence of some length. And here is one more, too long for the rest of it.", 60)
    assert first == "This is a sentence of some length."
    assert second.startswith("And here")


def test_a_single_long_word_is_cut_anywhere():
    """Even text without a space fits the limit."""
    parts = split("x" * 4500)
    assert all(len(part) <= MESSAGE_LIMIT for part in parts)
    assert "".join(parts) == "x" * 4500


def test_a_code_block_is_closed_and_opened_again():
    """Each part renders by itself, in the block's language, and indentation survives."""
    code = "\n".join(f"    line_{number} = {number}" for number in range(40))
    parts = split(f"Look:\n```python\n{code}\n```\nDone.", 200)
    assert len(parts) > 2
    assert all(part.count("```") % 2 == 0 and len(part) <= 200 for part in parts)
    assert all(part.startswith("```python\n    line_") for part in parts[1:-1])
    assert parts[-1].endswith("Done.")


@pytest.mark.parametrize("seed", range(20))
def test_parts_never_change_when_the_text_grows(seed):
    """A part that is already posted stays as it is, wherever the text goes; no word is lost."""
    draw = random.Random(seed)
    pieces = ["word ", "Sentence. ", "\n", "\n\n", "```py\n", "    code\n", "```\n", "x" * 50]
    text, before = "", []
    for _ in range(300):
        text += draw.choice(pieces)
        parts = split(text, 150)
        assert all(0 < len(part) <= 150 for part in parts)
        assert parts[: len(before) - 1] == before[:-1]
        before = parts

    def bare(shown: str) -> str:
        return re.sub(r"```\w*|\s", "", shown)

    assert bare("\n".join(before)) == bare(text)


async def test_the_first_words_are_sent_at_once(stream, channel):
    """Nobody waits a second for a first sign of life."""
    await stream.update("Hel")
    assert channel.posts[0].content == "Hel"


async def test_edits_are_at_least_a_second_apart(stream, channel, clock):
    """Text that arrives faster is gathered into the next edit; the last edit waits for its turn and is made."""
    for number in range(1, 42):
        await stream.update("x" * number)
        clock.now += 0.1
    await stream.finish("x" * 50)
    (post,) = channel.posts
    assert post.content == "x" * 50
    edits = [when for when, _ in post.history[1:]]
    assert all(later - earlier >= 0.999 for earlier, later in itertools.pairwise(edits))
    assert 4 <= len(edits) <= 6


async def test_a_short_answer_is_finished_without_waiting(stream, channel, clock):
    """An answer complete within the first second is edited at once: no edit came before it."""
    await stream.update("Hel")
    await stream.finish("Hello.")
    assert channel.posts[0].content == "Hello."
    assert clock.now == 100.0


async def test_finishing_what_is_shown_already_costs_no_edit(stream, channel):
    """Nothing is edited to what it is."""
    await stream.update("Hello.")
    await stream.finish("Hello.")
    assert len(channel.posts[0].history) == 1


async def test_blank_beginnings_are_not_sent(stream, channel):
    """A model that starts with a newline makes no empty message."""
    await stream.update("\n")
    assert channel.posts == []
    await stream.update("\nHi")
    assert channel.posts[0].content == "Hi"


async def test_a_growing_answer_goes_on_in_further_messages(stream, channel, clock):
    """The first message keeps its part, and each further one is told which was the first."""
    text = "word " * 1000
    for end in range(0, len(text), 500):
        await stream.update(text[:end])
        clock.now += 1.5
    await stream.finish(text)
    assert [post.content for post in channel.posts] == split(text)
    assert channel.firsts == [None, channel.posts[0], channel.posts[0]]
