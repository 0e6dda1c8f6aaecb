"""A real run leaves no words where forgetting does not reach: in its folder, log and record, or its adapter's files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.reply_records import NewReply, Turn
from trainer.errors import RunInterrupted
from trainer.progress import Lines
from trainer.run import run_once


@pytest.fixture
def with_members(place):
    """Twenty approved answers to one member beside the imported pairs."""
    with place.store() as store:
        store.set_consent(7, opted_in=True)
        for number in range(20):
            reply = store.add_reply(
                NewReply(
                    source="discord",
                    conversation=f"discord:1:{number}",
                    turns=(Turn("user", f"zqboat{number} is private", 7, 70 + number, origin="command"),),
                    text=f"zqharbour{number}",
                    adapter=None,
                    base_model="tiny",
                    guild_id=1,
                    asker_id=7,
                )
            )
            store.add_review(reply, "approve", reviewer="mod")
    return place


def left(place) -> list[str]:
    """Files of the home that hold words of the member's."""
    files = [one for one in place.home.root.rglob("*") if one.is_file()]
    return [one.name for one in files if b"zqboat" in one.read_bytes() or b"zqharbour" in one.read_bytes()]


def test_nothing_of_a_forgotten_person_is_left_after_a_run(with_members):
    """Samples of held-out questions were in its record."""
    place = with_members
    result = place.run(gate={"samples": 20}, force=True)
    with place.store() as store:
        samples = store.run(result.run).details["samples"]
        assert any("zqboat" in sample["prompt"] for sample in samples)
        store.forget(7)
        assert left(place) == []


def test_nothing_is_left_of_a_run_that_was_stopped(with_members):
    """It has checkpoints to go on from, and its list of pairs."""
    place = with_members

    class Stop(Lines):
        def step(self, done, total, note):
            raise RunInterrupted

    settings = place.settings.model_copy(
        update={"training": replace(place.settings.training, checkpoint_minutes=0.0001)}
    )
    run_once(place.home, settings, progress=Stop(), force=True)
    with place.store() as store:
        assert left(place)
        store.forget(7)
        assert left(place) == []
