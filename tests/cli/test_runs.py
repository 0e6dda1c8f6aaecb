"""`runs`: the table, one run in words, and its curves as a picture."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.discord_io import charts


@pytest.fixture
def a_run(store):
    """A finished run as the trainer leaves it."""

    def one(outcome="promoted", steps=6):
        run = store.start_run("schedule", "2026-11-23", 1, {})
        for step in range(1, steps + 1):
            values = {"loss": 4 - step / 3, "learning_rate": 5e-4 / step, "grad_norm": 1.0}
            store.log_metrics(run.id, step, values | ({"eval_loss": 4 - step / 4} if step % 2 else {}))
        sample = {"prompt": "Where is\nthe tea?", "text": "Aye, second shelf.", "champion": "I do not know."}
        checks = [
            {"name": "better", "passed": True, "sentence": "hold-out loss 3.500 to 2.500 over 12 pairs"},
            {"name": "banned", "passed": False, "sentence": "1 of 20 replies match a banned pattern (oil)"},
        ]
        store.finish_run(
            run.id,
            outcome,
            "It came to this.",
            champion_nll=3.5,
            challenger_nll=2.5,
            train_pairs=120,
            details={"tokens": 9000, "seconds": {"train": 60.0}, "checks": checks, "samples": [sample]},
        )
        return run.id

    return one


def test_without_a_run_the_table_says_how_to_start_one(nightshift):
    """And scripts get an empty list."""
    assert "nightshift train" in nightshift("runs").out
    assert nightshift("runs", "--json").json == []


def test_the_table_has_the_newest_run_first(nightshift, a_run):
    """A line for each: outcome, pairs, losses, why."""
    first, second = a_run("promoted"), a_run("kept")
    lines = nightshift("runs").out.splitlines()
    assert [line.split()[:5] for line in lines[1:]] == [
        [second, "kept", "120", "3.500", "2.500"],
        [first, "promoted", "120", "3.500", "2.500"],
    ]
    rows = nightshift("runs", "list", "--limit", "1", "--json").json
    assert [(row["id"], row["outcome"], row["train_pairs"]) for row in rows] == [(second, "kept", 120)]
    assert "details" not in rows[0]


def test_one_run_is_shown_with_its_checks_and_replies_before_and_after(nightshift, a_run):
    """By id, or the last one that trained."""
    shown = nightshift("runs", "show", a_run()).out
    assert "ok   better    hold-out loss 3.500 to 2.500" in shown
    assert "FAIL banned    1 of 20 replies" in shown
    assert "> Where is the tea?\n  before: I do not know.\n  after:  Aye, second shelf." in shown
    assert nightshift("runs", "show", "last").out == shown
    assert nightshift("runs", "show", "last", "--json").json["details"]["tokens"] == 9000


def test_a_run_s_curves_become_a_picture(nightshift, a_run, tmp_path):
    """Losses, learning rate, gradients and time in one PNG."""
    run, target = a_run(), tmp_path / "curves.png"
    assert nightshift("runs", "plot", run, "--out", target).out == f"{target}\n"
    with Image.open(io.BytesIO(target.read_bytes())) as image:
        assert image.format == "PNG"
        assert image.width > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("show", "nobody"), "no run nobody"), (("plot", "nobody"), "no run nobody"), (("show", "last"), "no run last")],
)
def test_a_run_that_is_not_there_is_said(nightshift, arguments, words):
    """One sentence, exit code 1."""
    nightshift("runs", *arguments).fails_with(1, words)


def test_a_run_without_a_step_has_no_picture(nightshift, a_run):
    """It was skipped, or died before."""
    nightshift("runs", "plot", a_run(steps=0)).fails_with(1, "nothing to draw")


def test_without_matplotlib_the_extra_is_named(nightshift, a_run, monkeypatch):
    """It is optional."""
    monkeypatch.setattr(charts, "has_matplotlib", lambda: False)
    nightshift("runs", "plot", a_run()).fails_with(1, "nightshift-discord[plots]")


def test_a_picture_that_cannot_be_written_is_said(nightshift, a_run, tmp_path):
    """With the path."""
    nightshift("runs", "plot", a_run(), "--out", tmp_path / "none" / "x.png").fails_with(1, "cannot be written")
