"""Discord exports: recognised and read in any layout, and whose messages they hold."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import FileUnusable
from storage.files.discord_export import export_kind, find_speaker, speakers
from storage.files.json_values import json_items
from storage.files.pair_files import read_pairs, read_voice
from storage.files.row_rules import BadRow
from tests.storage.files.chats import ADA, BEN, MO, Chat, pairs


@pytest.fixture
def chat():
    return Chat()


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
