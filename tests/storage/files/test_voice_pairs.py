"""One person's messages become answers to what came before."""

from __future__ import annotations

import tracemalloc

import pytest

from storage.files.discord_export import export_kind, find_speaker, speakers
from storage.files.pair_files import read_voice
from storage.reply_records import Turn
from tests.storage.files.chats import ADA, BEN, MO, Chat, pairs


@pytest.fixture
def chat():
    return Chat()


def test_messages_of_the_voice_answer_what_came_before(chat, tmp_path):
    """Their own earlier messages are the assistant's turns."""
    chat.say(ADA, "Which glue?")
    chat.say(MO, "Polyurethane.")
    chat.say(ADA, "And clamps?")
    chat.say(MO, "Two.")
    assert pairs(chat.json(tmp_path / "chat.json")) == [
        ([("user", "Which glue?")], "Polyurethane."),
        ([("user", "Which glue?"), ("assistant", "Polyurethane."), ("user", "And clamps?")], "Two."),
    ]


def test_messages_in_a_row_are_one_turn(chat, tmp_path):
    """As people write them: line by line."""
    chat.say(ADA, "Hello")
    chat.say(ADA, "which glue?")
    chat.say(MO, "Polyurethane.")
    chat.say(MO, "It foams.")
    assert pairs(chat.json(tmp_path / "chat.json")) == [([("user", "Hello\nwhich glue?")], "Polyurethane.\nIt foams.")]


@pytest.mark.parametrize(
    ("names", "first", "second"), [("keep", "Ada", "Ben the Brave"), ("replace", "Member 1", "Member 2")]
)
def test_other_peoples_names_are_kept_or_replaced_where_several_speak(chat, tmp_path, names, first, second):
    """In labels and in mentions alike; one person alone needs no label."""
    mention = [{"id": str(ADA), "name": "ada", "nickname": "Ada"}]
    chat.say(ADA, "Which glue?")
    chat.say(BEN, "@Ada, ask <@103>\nor me", mentions=mention)
    chat.say(MO, "@Ada Polyurethane.", mentions=mention)
    ((turns, completion),) = pairs(chat.json(tmp_path / "chat.json"), names=names)
    assert turns[0] == ("user", f"{first}: Which glue?")
    assert turns[1][1].startswith(f"{second}: @{first}, ask @")
    assert turns[1][1].endswith("\n  or me")
    assert completion == f"@{first} Polyurethane."


def test_a_pause_begins_a_new_conversation(chat, tmp_path):
    """Good morning is no answer to last night."""
    chat.say(ADA, "Good night!")
    chat.say(MO, "Morning, all.", after=600)
    chat.say(ADA, "Morning! Coffee?")
    chat.say(MO, "Please.")
    assert pairs(chat.json(tmp_path / "chat.json")) == [([("user", "Morning! Coffee?")], "Please.")]


def test_a_reply_answers_the_message_that_it_refers_to(chat, tmp_path):
    """Not the one just before."""
    glue = chat.say(ADA, "Which glue?")
    chat.say(BEN, "Nice weather.")
    chat.say(MO, "Polyurethane.", reply_to=glue)
    assert pairs(chat.json(tmp_path / "chat.json")) == [([("user", "Which glue?")], "Polyurethane.")]


def test_notices_bots_and_empty_messages_make_no_pair(chat, tmp_path):
    """A pin, a join, another bot, and a picture without a word; a picture that is asked about is named."""
    chat.say(ADA, "Pinned a message.", kind="ChannelPinnedMessage")
    chat.say(MO, "Joined the server.", kind="GuildMemberJoin")
    chat.say(BEN, "beep", author={"id": "7", "name": "bot", "nickname": "bot", "isBot": True})
    chat.say(ADA, "", attachments=[{"fileName": "bench.png"}])
    chat.say(MO, "", attachments=[{"fileName": "cat.png"}])
    chat.say(ADA, "What do you say?", attachments=[{"fileName": "bench.png"}])
    chat.say(MO, "Nice bench.")
    ((turns, completion),) = pairs(chat.json(tmp_path / "chat.json"))
    assert turns[-1] == ("user", "What do you say?\n[file: bench.png]")
    assert completion == "Nice bench."


def test_every_turn_and_the_completion_carry_who_said_them(chat, tmp_path):
    """Consent is asked of all of them, and each can be forgotten."""
    chat.say(ADA, "Which glue?")
    chat.say(MO, "Polyurethane.")
    path = chat.json(tmp_path / "chat.json")
    (pair,) = read_voice(path, "json", find_speaker(path, speakers(path, "json"), "mo"), names="replace")
    assert pair.turns == (Turn("user", "Which glue?", ADA),)
    assert pair.author_id == MO


def test_an_export_with_the_newest_first_is_turned_round(chat, tmp_path):
    """The program can write it so."""
    chat.say(ADA, "Hi")
    chat.say(MO, "Ho")
    chat.said.reverse()
    assert pairs(chat.json(tmp_path / "chat.json")) == [([("user", "Hi")], "Ho")]


def test_long_answers_are_refused_with_their_line(chat, tmp_path):
    """As in every file of pairs."""
    chat.say(ADA, "Hi")
    chat.say(MO, "x" * 9000)
    path = chat.json(tmp_path / "chat.json")
    (bad,) = read_voice(path, "json", find_speaker(path, speakers(path, "json"), "mo"), names="keep")
    assert "more than 8,000" in bad.reason
    assert bad.number > 10


def test_a_long_export_is_read_in_bounded_memory(chat, tmp_path):
    """A year of a server."""
    for number in range(20_000):
        chat.say((ADA, MO)[number % 2], f"message {number} " * 10)
    path = chat.json(tmp_path / "chat.json")
    del chat.said[:]
    kind = export_kind(path)
    voice = find_speaker(path, speakers(path, kind), "mo")
    tracemalloc.start()
    count = sum(1 for _ in read_voice(path, kind, voice, names="replace"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 6e6 < path.stat().st_size


def test_what_was_said_on_discord_keeps_that_origin(chat, tmp_path):
    """It is message content, whoever saved it."""
    chat.say(ADA, "Which glue?")
    chat.say(MO, "Polyurethane.")
    path = chat.json(tmp_path / "chat.json")
    (pair,) = read_voice(path, "json", find_speaker(path, speakers(path, "json"), "mo"), names="keep")
    assert {pair.origin, *(turn.origin for turn in pair.turns)} == {"discord_export"}
