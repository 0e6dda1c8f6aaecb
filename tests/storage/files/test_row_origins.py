"""Files of ours say where their words came from, so that no import makes anything else of them."""

from __future__ import annotations

import pytest

from storage.files.pair_files import BadRow, read_pairs, write_pairs
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.recall_records import Recalled
from storage.reply_records import Turn
from storage.store import Store
from tests.storage.conftest import ALICE, a_reply


def pairs_of(store):
    """A channel message, an answer to a command that may quote it, a correction, and an import."""
    said = a_reply(turns=(Turn("user", "Tea?", ALICE, 1, "message"),), message_id=2)
    shown = Turn("assistant", "Second shelf.", None, 2, "bot")
    asked = a_reply(turns=(shown, Turn("user", "Which?", ALICE, 3, "command")), text="The second.")
    corrected = a_reply(turns=(Turn("user", "Jam?", ALICE, 4, "command"),))
    for reply, edited in ((said, None), (asked, None), (corrected, "Below.")):
        verdict = "approve" if edited is None else "edit"
        store.add_review(store.add_reply(reply), verdict, reviewer="mo", edited_text=edited)
    store.import_pairs([NewPair((Turn("user", "Oak?"),), "Aye.")], "operator")
    return list(store.pairs())


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_an_export_that_is_imported_keeps_its_origins(store, tmp_path, name):
    """What may quote a message stays message content, though the message itself is not in the file."""
    write_pairs(tmp_path / name, pairs_of(store))
    read = list(read_pairs(tmp_path / name))
    assert [[*(turn.origin for turn in pair.turns), pair.origin] for pair in read] == [
        ["message", "bot"],
        ["bot", "command", "message"],
        ["command", "moderator"],
        [None, "import"],
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_origins_outlast_every_further_export(store, tmp_path, name):
    """From home to home; the origins of a pair are those it had in the first file."""
    pairs_of(store)
    asked = a_reply(turns=(Turn("user", "Elm?", ALICE, 8, "command"),))
    number = store.add_reply(asked, recall=[Recalled(1, 1, example_id=store.add_reply(asked))])
    store.add_review(number, "edit", reviewer="mo", edited_text="Shown what the bot said.")
    write_pairs(tmp_path / name, store.pairs())
    found = []
    for home in range(3):
        with Store.open(tmp_path / f"{home}.db") as other:
            other.import_pairs(read_pairs(tmp_path / name), "operator")
            found.append([(pair.origin, pair.origins) for pair in other.pairs()])
            without_bot = other.eligible_pairs("operator", learn_from=[one for one in ORIGINS if one != "bot"])
            assert [pair.completion for pair in without_bot] == ["Below.", "Aye."]
            write_pairs(tmp_path / name, other.pairs())
    assert found[0] == found[1] == found[2]


def test_a_list_that_does_not_fit_is_refused(tmp_path):
    """A name that is none, or one too few."""
    path = tmp_path / "a.jsonl"
    messages = '"messages": [{"role": "user", "content": "Oak?"}, {"role": "assistant", "content": "Aye."}]'
    rows = [f'{{{messages}, "origins": {given}}}' for given in ('["import"]', '["sky", "bot"]', "7")]
    path.write_text("\n".join(rows))
    assert [isinstance(row, BadRow) for row in read_pairs(path)] == [True, True, True]
