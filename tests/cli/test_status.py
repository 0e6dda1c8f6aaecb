"""`status`: the same facts for people and for scripts."""

from __future__ import annotations

from datetime import UTC, datetime


def test_a_fresh_home_has_nothing_yet(nightshift):
    """Every key of the contract is there all the same."""
    facts = nightshift("status", "--json").json
    assert facts["base_model"] == "SmolLM2-135M-Instruct"
    assert facts["adapter"] is None
    assert facts["pairs"] == {"pending": 0, "approved": 0, "rejected": 0, "eligible": 0, "excluded": 0}
    assert facts["last_run"] is None
    assert datetime.fromisoformat(facts["next_run"]) > datetime.now(UTC)


def test_status_shows_pairs_adapter_and_the_last_run(nightshift, publish, store, tmp_path):
    """What a person looks for in the morning."""
    (tmp_path / "p.csv").write_text("prompt,reply\nhi,ho\n")
    nightshift("import", tmp_path / "p.csv")
    nightshift("adapters", "use", publish("first"))
    run = store.start_run("manual", "2026-11-23", 1, {})
    assert "not finished" in nightshift("status").out
    store.finish_run(run.id, "kept", "No better on the hold-out.", champion_nll=2.5, challenger_nll=2.6)
    facts = nightshift("status", "--json").json
    assert facts["adapter"] == "first"
    assert facts["pairs"]["eligible"] == 1
    assert facts["last_run"]["run"] == run.id
    assert facts["last_run"]["outcome"] == "kept"
    assert facts["last_run"]["challenger_nll"] == 2.6
    said = nightshift("status").out
    assert "first" in said
    assert "1 eligible" in said
    assert "kept: No better on the hold-out." in said


def test_a_schedule_that_is_switched_off_has_no_next_run(nightshift, home):
    """Null for scripts, words for people."""
    home.ensure().config.write_text("[schedule]\nenabled = false\n")
    assert nightshift("status", "--json").json["next_run"] is None
    assert "not scheduled" in nightshift("status").out


def test_a_schedule_that_cannot_be_read_is_one_sentence(nightshift, home):
    """Before a night is missed because of it."""
    home.ensure().config.write_text("[schedule]\ncron = 'at four'\n")
    nightshift("status").fails_with(1, "'at four' is not a crontab expression")


def test_the_configured_base_is_named_even_if_it_is_not_there(nightshift, monkeypatch):
    """`doctor` is for that."""
    monkeypatch.setenv("NIGHTSHIFT_MODEL__BASE", "owner/model")
    assert nightshift("status", "--json").json["base_model"] == "owner/model"
