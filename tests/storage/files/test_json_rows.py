"""Rows of JSON: names of people in them."""

from __future__ import annotations

import json

from storage.files.pair_files import read_pairs


def test_names_of_several_people_in_messages_become_labels(tmp_path):
    """OpenAI's `name`, as the bot labels people on Discord; one person alone needs none."""
    ada, ben = ({"role": "user", "name": name, "content": "Hi\nthere"} for name in ("Ada", "Ben: Admin"))
    answer = {"role": "assistant", "content": "Hello"}
    rows = [{"messages": [ada, ben, answer]}, {"messages": [ada, answer]}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    two, one = read_pairs(tmp_path / "a.jsonl")
    assert [turn.content for turn in two.turns] == ["Ada: Hi\n  there", "Ben Admin: Hi\n  there"]
    assert one.turns[0].content == "Hi\nthere"
