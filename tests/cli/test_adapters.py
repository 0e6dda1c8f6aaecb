"""`adapters`: the registry on real files and a real database."""

from __future__ import annotations

import json
import sqlite3


def test_an_empty_registry_lists_the_base(nightshift):
    """It is in use until a night has won."""
    assert nightshift("adapters").out.startswith("* base")
    assert nightshift("adapters", "--json").json == []


def test_the_list_marks_the_one_in_use(nightshift, publish):
    """For people and for scripts, with and without the word `list`."""
    publish("first")
    publish("second")
    assert nightshift("adapters", "use", "first").out == "In use now: first\n"
    lines = nightshift("adapters").out.splitlines()
    assert [line[:8] for line in lines] == ["* first ", "  second", "  base  "]
    rows = nightshift("adapters", "--json").json
    assert rows == nightshift("adapters", "list", "--json").json
    assert [(row["id"], row["current"]) for row in rows] == [("first", True), ("second", False)]
    assert (rows[0]["pairs"], rows[0]["nll"], rows[0]["retired_at"]) == (110, 2.5, None)


def test_use_base_then_rollback_brings_the_adapter_back(nightshift, publish, store):
    """A rollback is another row; nothing is lost."""
    nightshift("adapters", "use", publish("first"))
    nightshift("adapters", "use", "base", "--reason", "it swore")
    assert store.champion() is None
    assert nightshift("adapters", "rollback").out == "In use now: first\n"
    assert store.champion() == "first"
    assert [(row.kind, row.adapter) for row in store.promotions()] == [
        ("use", "first"),
        ("use", None),
        ("rollback", "first"),
    ]
    assert store.promotions()[1].reason == "it swore"
    assert all(row.actor for row in store.promotions())


def test_there_is_nothing_to_roll_back_at_first(nightshift):
    """One sentence, exit code 1."""
    nightshift("adapters", "rollback").fails_with(1, "nothing to roll back")


def test_an_unknown_adapter_is_refused(nightshift, store):
    """And no promotion is written."""
    nightshift("adapters", "use", "nobody").fails_with(1, "no adapter nobody")
    assert store.promotions() == []


def test_a_damaged_adapter_is_never_put_to_use(nightshift, publish, store, home):
    """Neither by name nor by rolling back to it."""
    nightshift("adapters", "use", publish("first"))
    nightshift("adapters", "use", "base")
    (home.adapters / "first" / "adapter_model.safetensors").write_bytes(b"other")
    nightshift("adapters", "use", "first").fails_with(1, "damaged")
    nightshift("adapters", "rollback").fails_with(1, "damaged")
    assert store.champion() is None


def test_verify_reads_every_file_and_fails_for_a_damaged_one(nightshift, publish, home):
    """The whole ones are named on stdout, the damaged ones on stderr."""
    publish("first")
    publish("second")
    assert nightshift("adapters", "verify").out == "first is intact.\nsecond is intact.\n"
    (home.adapters / "first" / "adapter_config.json").unlink()
    said = nightshift("adapters", "verify")
    said.fails_with(1, "first is damaged")
    assert said.out == "second is intact.\n"
    assert nightshift("adapters", "verify", "second").code == 0
    nightshift("adapters", "verify", "nobody").fails_with(1, "no adapter nobody")


def test_verify_misses_an_adapter_whose_directory_is_gone(nightshift, publish, home):
    """Its row says that it should be there."""
    (home.adapters / publish("first")).rename(home.root / "elsewhere")
    nightshift("adapters", "verify").fails_with(1, "no adapter first")


def test_prune_keeps_the_champion_what_rollback_leads_to_and_the_newest(nightshift, publish, store, home):
    """The rest is removed for good, and its rows are retired so that nothing chooses them."""
    for name in ("a", "b", "c", "d", "e"):
        publish(name)
    nightshift("adapters", "use", "a")
    nightshift("adapters", "use", "c")
    assert nightshift("adapters", "prune", "--keep", "1", "--dry-run").out.splitlines()[:2] == [
        "Would remove b",
        "Would remove d",
    ]
    assert (home.adapters / "b").exists()
    assert nightshift("adapters", "prune", "--keep", "1").out.splitlines()[-1] == "Kept 3, removed 2."
    assert sorted(path.name for path in home.adapters.iterdir() if not path.name.startswith(".")) == ["a", "c", "e"]
    assert {adapter.id for adapter in store.adapters() if adapter.retired_at} == {"b", "d"}
    assert nightshift("adapters", "rollback").out == "In use now: a\n"


def test_prune_keeps_those_of_each_servers_own_voice(nightshift, publish, store, home):
    """Its champion, and its newest."""
    for name in ("theirs", "spare", "newest", "ours"):
        publish(name)
    with sqlite3.connect(home.db) as db:
        db.execute("update adapters set guild_id = 7 where id <> 'ours'")
    store.promote("theirs", kind="use", actor="mod", reason="", guild_id=7)
    nightshift("adapters", "prune", "--keep", "1")
    assert sorted(path.name for path in home.adapters.iterdir() if path.name[0] != ".") == ["newest", "ours", "theirs"]
    assert store.champion(7) == "theirs"


def test_prune_removes_retired_adapters(nightshift, publish, store, home):
    """They learned from words that were withdrawn."""
    store.retire_adapter(publish("old"))
    nightshift("adapters", "prune", "--keep", "5")
    assert not (home.adapters / "old").exists()


def test_verify_fails_for_an_edited_manifest(nightshift, publish, home):
    """Which base an adapter was made for is part of what was published."""
    path = home.adapters / publish("first") / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "base_revision": "another"}))
    nightshift("adapters", "verify").fails_with(1, "manifest.json has changed since it was published")
    nightshift("adapters", "use", "first").fails_with(1, "manifest.json has changed since it was published")


def test_a_rollback_to_a_damaged_adapter_is_refused(nightshift, publish, home, store):
    """The one in use stays."""
    for name in ("first", "second"):
        nightshift("adapters", "use", publish(name))
    (home.adapters / "first" / "adapter_model.safetensors").write_bytes(b"other")
    nightshift("adapters", "rollback").fails_with(1, "first is damaged")
    assert store.champion() == "second"
