"""`health` beside a bot that runs, hangs, has lost its engine, or has ended."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, replace

import pytest

from bot.app import Nightshift
from bot.health_file import Health, read_health
from bot.settings import load_settings
from tests.fake_engine import FakeEngine


async def written(home):
    """Wait until the bot wrote its file by itself."""
    async with asyncio.timeout(10):
        while read_health(home.health) is None:  # noqa: ASYNC110 - the file is all that a monitor sees
            await asyncio.sleep(0.01)


async def test_a_running_bot_is_well_until_it_ends(nightshift, home):
    """The file is there as soon as the bot is open, and gone with it."""
    home.ensure()
    async with Nightshift.open(home, load_settings(home), engine=FakeEngine()):
        await written(home)
        said = nightshift("health")
        assert (said.code, said.out) == (0, "Well; not connected to Discord.\n")
    said = nightshift("health")
    assert said.code == 1
    assert said.out.startswith("No bot is running")


async def test_one_shard_s_process_is_found_by_its_number(nightshift, home):
    """As by its range; what is no range is refused, and names no path."""
    home.ensure()
    home.config.write_text('[discord]\nshards = 2\nshard_range = "1"\n', encoding="utf-8")
    async with Nightshift.open(home, load_settings(home), engine=FakeEngine()):
        await written(home.part("1-1"))
        assert [nightshift("health", "--shards", one).code for one in ("1", "1-1", "0")] == [0, 0, 1]
    for command in ("health", "logs"):
        said = nightshift(command, "--shards", "../x")
        assert said.code == 2
        assert "is no range of shards" in said.out + said.err


async def test_an_engine_that_answers_nothing_is_said(nightshift, home, monkeypatch):
    """With the engine's own sentence, also as JSON."""
    home.ensure()
    engine = FakeEngine()
    failed = replace(engine.stats(), failure="The GPU is gone.")
    monkeypatch.setattr(engine, "stats", lambda: failed)
    async with Nightshift.open(home, load_settings(home), engine=engine):
        await written(home)
        said = nightshift("health", "--json")
    assert said.code == 1
    assert json.loads(said.out)["complaint"] == "The GPU is gone."


@pytest.mark.parametrize("age", [61.0, -5.0], ids=["it hangs", "it is of an earlier boot"])
def test_a_sign_of_life_that_is_too_old_counts_for_nothing(nightshift, home, age):
    """A process may be there and hang."""
    home.ensure()
    home.health.write_text(json.dumps(asdict(Health(1, time.monotonic() - age, connected=True))), encoding="utf-8")
    said = nightshift("health")
    assert said.code == 1
    assert "no sign of life" in said.out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1}', "\x00"])
def test_a_file_that_is_not_ours_is_no_bot(home, text):
    """Whatever is in it."""
    home.ensure()
    home.health.write_text(text, encoding="utf-8")
    assert read_health(home.health) is None
