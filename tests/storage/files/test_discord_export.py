"""Discord exports: one person's messages become answers to what came before."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import FileUnusable
from storage.files.discord_export import export_kind, find_speaker, speakers
from storage.files.gzip_file import is_gzip, unpacked
from storage.files.json_values import json_items
from storage.files.pair_files import read_pairs, read_voice
from storage.files.row_rules import BadRow
from storage.records import Turn

ADA, BEN, MO = 101, 102, 103
NAMES = {ADA: ("ada", "Ada"), BEN: ("ben", "Ben the Brave"), MO: ("mo", "Mo")}
START = datetime(2026, 11, 1, 20, 0, tzinfo=UTC)


class Chat:
    """A conversation, written as DiscordChatExporter writes it."""

    def __init__(self):
        self.said = []
        self.now = START

    def say(self, who, text, *, after=1, reply_to=None, kind=None, **more):
        """One message, `after` minutes later; gives its id."""
        self.now += timedelta(minutes=after)
        name, nickname = NAMES[who]
        number = str(5000 + len(self.said))
        message = {
            "id": number,
            "type": kind or ("Reply" if reply_to else "Default"),
            "timestamp": self.now.strftime("%Y-%m-%dT%H:%M:%S.1234567+00:00"),
            "timestampEdited": None,
            "isPinned": False,
            "content": text,
            "author": {"id": str(who), "name": name, "discriminator": "0000", "nickname": nickname, "isBot": False},
            "attachments": [],
            "embeds": [],
            "mentions": [],
        } | more
        if reply_to:
            message["reference"] = {"messageId": reply_to, "channelId": "9", "guildId": "8"}
        self.said.append(message)
        return number

    def json(self, path, **options):
        whole = {
            "guild": {"id": "8", "name": "Workshop [messages]"},
            "channel": {"id": "9", "type": "GuildTextChat", "name": "general", "topic": '{"messages": []}'},
            "dateRange": {"after": None, "before": None},
            "exportedAt": START.isoformat(),
            "messages": self.said,
            "messageCount": len(self.said),
        }
        path.write_text(json.dumps(whole, ensure_ascii=False, **{"indent": 2, **options}), encoding="utf-8")
        return path

    def csv(self, path, delimiter=",", encoding="utf-8", dates="%Y-%m-%dT%H:%M:%S.0000000+00:00"):
        out = io.StringIO()
        rows = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        rows.writerow(["AuthorID", "Author", "Date", "Content", "Attachments", "Reactions"])
        for one in self.said:
            author = one["author"]
            when = datetime.fromisoformat(one["timestamp"]).strftime(dates)
            rows.writerow([author["id"], author["name"], when, one["content"], "", ""])
        path.write_bytes(out.getvalue().encode(encoding))
        return path


@pytest.fixture
def chat():
    return Chat()


def pairs(path, voice="mo", names="keep", **options):
    """Prompt turns as (role, text), and the completion, of every pair."""
    kind = export_kind(path)
    found = read_voice(path, kind, find_speaker(path, speakers(path, kind), voice), names=names, **options)
    return [([(turn.role, turn.content) for turn in one.turns], one.completion) for one in found]


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


def test_a_voice_is_found_by_id_and_by_any_name(chat, tmp_path):
    """Whatever the case; who is not there, and who is there twice, is said."""
    chat.say(ADA, "Hi")
    chat.say(BEN, "Hi")
    chat.say(BEN, "Ho")
    path = chat.json(tmp_path / "chat.json")
    everybody = speakers(path, "json")
    assert {find_speaker(path, everybody, one).id for one in ("102", "BEN THE BRAVE", "@ben the brave")} == {BEN}
    with pytest.raises(FileUnusable, match=r"no message of 'zoe' \(who speaks most: Ben the Brave \(102\), 2 messages"):
        find_speaker(path, everybody, "zoe")
    with pytest.raises(FileUnusable, match="with --voice"):
        find_speaker(path, everybody, None)
    chat.say(ADA, "I am Ada too", author={"id": "104", "name": "x", "nickname": "Ada", "isBot": False})
    path = chat.json(path)
    with pytest.raises(FileUnusable, match=r"several people called 'Ada': give the id, one of 101 .* 104"):
        find_speaker(path, speakers(path, "json"), "Ada")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("dates", ["%Y-%m-%dT%H:%M:%S.0000000+00:00", "%d-%b-%y %I:%M %p", "%m/%d/%Y %I:%M %p"])
def test_a_table_is_read_in_any_dialect(chat, tmp_path, delimiter, encoding, dates):
    """As it was exported, or saved again by a spreadsheet."""
    chat.say(ADA, "Größe,\nbitte; schnell?")
    chat.say(MO, "Schön 🍵")
    chat.say(MO, "Guten Morgen", after=600)
    path = chat.csv(tmp_path / "chat.csv", delimiter, encoding, dates)
    assert export_kind(path) == delimiter
    assert pairs(path) == [([("user", "Größe,\nbitte; schnell?")], "Schön 🍵")]


@pytest.mark.parametrize("options", [{"indent": None}, {"indent": 1}, {"indent": None, "separators": (",", ":")}])
def test_json_is_read_however_it_is_laid_out(chat, tmp_path, options):
    """On one line, or with spaces."""
    chat.say(ADA, "Hi")
    chat.say(MO, "Ho")
    assert pairs(chat.json(tmp_path / "chat.json", **options)) == [([("user", "Hi")], "Ho")]


def test_an_export_with_the_newest_first_is_turned_round(chat, tmp_path):
    """The program can write it so."""
    chat.say(ADA, "Hi")
    chat.say(MO, "Ho")
    chat.said.reverse()
    assert pairs(chat.json(tmp_path / "chat.json")) == [([("user", "Hi")], "Ho")]


def test_an_export_that_breaks_off_gives_what_is_whole(chat, tmp_path):
    """And says where it ends."""
    chat.say(ADA, "Hi")
    chat.say(MO, "Ho")
    chat.say(ADA, "x" * 500)
    path = chat.json(tmp_path / "chat.json")
    path.write_text(path.read_text()[:-700])
    found = list(read_voice(path, "json", find_speaker(path, speakers(path, "json"), "mo"), names="keep"))
    assert [type(one) for one in found if isinstance(one, BadRow)] == [BadRow]
    assert any(not isinstance(one, BadRow) and one.completion == "Ho" for one in found)


def test_long_answers_are_refused_with_their_line(chat, tmp_path):
    """As in every file of pairs."""
    chat.say(ADA, "Hi")
    chat.say(MO, "x" * 9000)
    path = chat.json(tmp_path / "chat.json")
    (bad,) = read_voice(path, "json", find_speaker(path, speakers(path, "json"), "mo"), names="keep")
    assert "more than 8,000" in bad.reason
    assert bad.number > 10


def test_other_files_are_no_exports(tmp_path):
    """OpenAI's messages have no authors; a table of pairs has other columns."""
    (tmp_path / "a.json").write_text('{"messages": [{"role": "user", "content": "Hi"}]}')
    (tmp_path / "b.csv").write_text("author,content\nx,y\n")
    (tmp_path / "c.json").write_text("[1]")
    (tmp_path / "d.json").write_text("")
    assert [export_kind(path) for path in sorted(tmp_path.iterdir())] == [None] * 4


def test_an_export_is_not_taken_for_pairs(chat, tmp_path):
    """Where nobody can be named, as on Discord, it is refused as a whole."""
    chat.say(ADA, "Hi")
    with pytest.raises(FileUnusable, match="is a Discord export"):
        read_pairs(chat.json(tmp_path / "chat.json"))


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


def test_what_is_packed_is_read_as_what_is_in_it(chat, tmp_path):
    """`chat.json.gz`; a damaged one and one that never ends are refused."""
    chat.say(ADA, "Hi")
    chat.say(MO, "Ho")
    packed = tmp_path / "chat.json.gz"
    packed.write_bytes(gzip.compress(chat.json(tmp_path / "chat.json").read_bytes()))
    with unpacked(packed) as plain:
        assert plain.name == "chat.json"
        assert pairs(plain) == [([("user", "Hi")], "Ho")]
    assert not plain.exists()
    assert is_gzip(packed)
    with unpacked(tmp_path / "chat.json") as same:
        assert same == tmp_path / "chat.json"
    with pytest.raises(FileUnusable, match="unpacks to more than"), unpacked(packed, 100):
        pass
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(FileUnusable, match="is damaged"), unpacked(packed):
        pass


def test_what_was_said_on_discord_keeps_that_origin(chat, tmp_path):
    """It is message content, whoever saved it."""
    chat.say(ADA, "Which glue?")
    chat.say(MO, "Polyurethane.")
    path = chat.json(tmp_path / "chat.json")
    (pair,) = read_voice(path, "json", find_speaker(path, speakers(path, "json"), "mo"), names="keep")
    assert {pair.origin, *(turn.origin for turn in pair.turns)} == {"discord_export"}


def test_a_page_of_a_conversation_is_refused_with_the_way_out(tmp_path):
    """It is what the program writes unless it is told otherwise."""
    (tmp_path / "chat.html").write_text("<!DOCTYPE html><html>")
    with pytest.raises(FileUnusable, match="again as JSON or CSV"):
        read_pairs(tmp_path / "chat.html")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(
    before=st.dictionaries(st.text(max_size=8).filter(lambda name: name != "messages"), JSON_VALUES, max_size=4),
    items=st.lists(JSON_VALUES, max_size=6),
    indent=st.sampled_from([None, 1]),
)
def test_the_list_of_messages_is_found_whatever_stands_before_it(before, items, indent):
    """Names, brackets and quotation marks in other values do not mislead."""
    text = json.dumps({**before, "messages": items, "messageCount": 1}, indent=indent)
    assert [value for _, value in json_items(io.StringIO(text), "messages")] == items
