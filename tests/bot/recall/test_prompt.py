"""Where what was found stands in a prompt: bot/recall/prompt.py."""

from __future__ import annotations

from bot.recall.prompt import with_shown
from bot.recall.records import Shown, ShownChunk, ShownExample
from model.chat import Message
from storage.recall_records import FoundChunk, FoundExample

PERSONA = Message("system", "Be kind.")
CONVERSATION = [
    PERSONA,
    Message("user", "Ada: Which wood?"),
    Message("assistant", "Oak."),
    Message("user", "Ben: Why?"),
    Message("user", "Ada: And which oil?"),
]


def found() -> Shown:
    """One example and one part of a document."""
    example = FoundExample(entry_id=1, reply_id=1, guild_id=1, channel_id=1, question="Is oak hard?", answer="Very.")
    chunk = FoundChunk(2, 1, guild_id=1, channel_id=None, title="Woods", heading="", text="Oak is hard.", url=None)
    return Shown((ShownChunk(chunk, 1.0),), (ShownExample(example, 1.0),))


def test_what_was_found_stands_after_the_last_answer():
    """All that stands before it is the beginning of the next prompt too."""
    shown = with_shown(CONVERSATION, found())
    assert shown[:3] == CONVERSATION[:3]
    assert shown[3:5] == [Message("user", "Is oak hard?"), Message("assistant", "Very.")]
    assert "> Oak is hard." in shown[5].content
    assert shown[6:] == CONVERSATION[3:]


def test_before_the_first_answer_it_stands_with_the_persona():
    """There is nothing else to begin with."""
    shown = with_shown([PERSONA, *CONVERSATION[3:]], found())
    assert shown[0].content.startswith("Be kind.\n\n")
    assert "> Oak is hard." in shown[0].content
    assert [one.content for one in shown[1:3]] == ["Is oak hard?", "Very."]
    assert shown[3:] == CONVERSATION[3:]


def test_nothing_found_changes_nothing():
    """A prompt is then what it was without a memory."""
    assert with_shown(CONVERSATION, Shown()) == CONVERSATION
