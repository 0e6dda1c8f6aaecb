"""`train`: the real child process, on homes that give it little to do."""

from __future__ import annotations

import fcntl

import pytest


def test_too_few_pairs_is_a_skip_with_its_reason_and_no_failure(nightshift, tmp_path):
    """For scripts as the last line of stdout, for people in words."""
    (tmp_path / "p.csv").write_text("prompt,reply\nhi,ho\n")
    nightshift("import", tmp_path / "p.csv")
    said = nightshift("train", "--json")
    assert said.code == 0
    assert said.json["outcome"] == "skipped"
    assert set(said.json) == {"run", "outcome", "reason", "challenger", "eval"}
    assert set(said.json["eval"]) == {"champion_nll", "challenger_nll", "n"}
    assert nightshift("status", "--json").json["last_run"]["run"] == said.json["run"]
    assert nightshift("train").out.startswith("skipped: ")


def test_a_setting_that_cannot_be_used_stops_it_before_it_starts(nightshift, home):
    """No run is recorded."""
    home.ensure().config.write_text("[training]\nmin_pairs = 'many'\n")
    nightshift("train").fails_with(1, "training.min_pairs")
    assert not home.db.exists()


def test_a_missing_base_is_a_failed_run(nightshift, monkeypatch, tmp_path):
    """Exit code 1, with the reason, and nothing published."""
    rows = "".join(f"question {number},answer {number}\n" for number in range(60))
    (tmp_path / "p.csv").write_text("prompt,reply\n" + rows)
    nightshift("import", tmp_path / "p.csv")
    monkeypatch.setenv("NIGHTSHIFT_MODEL__BASE", "/nowhere/model")
    said = nightshift("train", "--json")
    assert said.code == 1
    assert said.json["outcome"] == "failed"
    assert "/nowhere/model" in said.json["reason"]
    assert nightshift("adapters", "--json").json == []


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_second_run_at_the_same_time_is_refused(nightshift, home, options):
    """Only one process trains in a home."""
    lock = home.ensure().runs / "lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = nightshift("train", *options)
    assert "Another training run is in progress" in said.out + said.err
