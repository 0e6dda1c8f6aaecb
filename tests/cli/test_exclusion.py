"""What `status`, `doctor` and a night say of pairs that wait because of where their words came from."""

from __future__ import annotations

from bot.settings import load_settings
from storage.reply_records import NewReply, Turn
from storage.store import Store
from trainer.reasons import excluded, in_english


def said_on_discord(store: Store, count: int) -> None:
    """Approved answers to channel messages of a member who opted in."""
    store.set_consent(7, opted_in=True)
    for number in range(count):
        turns = (Turn("user", f"Is wood {number} hard?", 7, 100 + number, "message"),)
        reply = NewReply(
            source="discord", conversation=f"discord:1:{number}", turns=turns, text="Aye.", adapter=None,
            base_model="embedded", guild_id=1, asker_id=7, prompt_message_id=100 + number,
        )  # fmt: skip
        store.add_review(store.add_reply(reply), "approve", reviewer="mo")


def test_status_counts_what_waits_and_says_what_would_change_it(nightshift, store):
    """In words and for scripts."""
    said_on_discord(store, 2)
    assert in_english(excluded(2)) in nightshift("status").out
    assert nightshift("status", "--json").json["pairs"] == {
        "pending": 0, "approved": 2, "rejected": 0, "eligible": 0, "excluded": 2,
    }  # fmt: skip


def test_doctor_names_them(nightshift, store):
    """They do not wait for members."""
    said_on_discord(store, 1)
    said = nightshift("doctor").out
    assert in_english(excluded(1)) in said
    assert "wait for members" not in said


def test_a_line_in_the_file_lets_them_join(nightshift, store, home):
    """A deliberate one, of known names."""
    said_on_discord(store, 2)
    home.config.write_text('[training]\nlearn_from = ["message", "bot"]\n')
    assert nightshift("status", "--json").json["pairs"]["eligible"] == 2
    home.config.write_text('[training]\nlearn_from = ["messages"]\n')
    nightshift("status").fails_with(1, "training.learn_from")


def test_the_environment_names_origins_too(nightshift, store, monkeypatch):
    """With commas, or as JSON."""
    said_on_discord(store, 2)
    for given in ("message,bot", '["message", "bot"]'):
        monkeypatch.setenv("NIGHTSHIFT_TRAINING__LEARN_FROM", given)
        assert nightshift("status", "--json").json["pairs"]["eligible"] == 2


def test_the_environment_names_servers_too(nightshift, monkeypatch, home):
    """One id, some with commas, or JSON; a name is refused as in the file."""
    for given, ids in (("1", (1,)), ("1,2", (1, 2)), ("[1, 2]", (1, 2)), ('["1", "2"]', (1, 2))):
        monkeypatch.setenv("NIGHTSHIFT_TRAINING__SERVERS", given)
        assert load_settings(home).training.servers == ids
    monkeypatch.delenv("NIGHTSHIFT_TRAINING__SERVERS")
    home.ensure().config.write_text('[training]\nservers = "1"\n')  # one id as a text is taken in the file too
    assert load_settings(home).training.servers == (1,)
    home.config.write_text("")
    for given in ("Workshop", "true", "1,-2"):
        monkeypatch.setenv("NIGHTSHIFT_TRAINING__SERVERS", given)
        nightshift("status").fails_with(1, "training.servers")


def test_a_skipped_night_says_that_they_wait(nightshift, store):
    """In its reason, which people read on Discord, and in its record, for the report."""
    said_on_discord(store, 3)
    nightshift("train")
    run = store.last_run()
    assert run.outcome == "skipped"
    assert run.reason.endswith(in_english(excluded(3)))
    assert run.details["excluded"] == 3


def test_an_export_leaves_out_what_may_not_be_trained_on_elsewhere_either(nightshift, store, tmp_path):
    """And says how many; with --all it writes them, and they stay what they are when they are imported."""
    said_on_discord(store, 2)
    assert nightshift("export", tmp_path / "a.jsonl").out.startswith("exported 0\nleft out 2: ")
    assert nightshift("export", tmp_path / "a.jsonl", "--all").out == "exported 2\n"
    nightshift("--home", tmp_path / "other", "import", tmp_path / "a.jsonl")
    counts = nightshift("--home", tmp_path / "other", "status", "--json").json["pairs"]
    assert (counts["eligible"], counts["excluded"]) == (0, 2)
