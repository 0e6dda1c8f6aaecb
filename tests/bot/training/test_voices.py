"""A voice of its own for each server: what one server's members and moderators do changes nothing for another's."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from model.errors import AdapterMismatch
from storage.run_records import Adapter
from storage.store import Store
from tests.bot.conftest import kept_open
from tests.bot.test_slash_commands import publish_at
from tests.bot.training.test_report import stored_run
from trainer.result import RunResult
from trainer.resume import close_unfinished, mark_in_progress

CREATED = "2026-11-23T04:00:00.000+00:00"


class Trainer:
    """A training run that promotes an adapter for the server that it is for."""

    def __init__(self):
        self.stage = None
        self.servers = []

    async def __call__(self, _home, *, force, trigger, local_date, server=None):
        self.servers.append(server)
        store = self.stage.app.store
        run = await store.call(Store.start_run, trigger, local_date or "2026-11-25", 1, {}, guild_id=server)
        row = Adapter(f"n{len(self.servers)}", run.id, "fake-base", CREATED)
        publish_at(self.stage.app.home, row.id, self.stage.tmp_path)
        await store.call(
            Store.conclude_run, run.id, row, expected=await store.call(Store.champion, server), reason="better"
        )
        return RunResult(run=run.id, outcome="promoted", reason="better", challenger=row.id)


@pytest.fixture
def trainer():
    return Trainer()


@pytest.fixture
async def stage(open_stage, settings, trainer, tmp_path):
    """A bot whose servers have voices of their own."""
    apart = settings.model_copy(update={"voices": "server"})
    async for opened in kept_open(open_stage(base=apart, train=trainer)):
        trainer.stage, opened.tmp_path = opened, tmp_path
        yield opened


@pytest.fixture
async def elsewhere(stage):
    """Another server with the same bot: its channel, a member, and a moderator of its own."""
    guild = stage.env.create_guild("Elsewhere")
    channel = guild.create_text_channel("general")
    stage.their_review = guild.create_text_channel("review")
    role = guild.create_role("Moderator")
    member = guild.add_member(stage.env.create_user("eve", global_name="Eve"))
    moderator = guild.add_member(stage.env.create_user("sly", global_name="Sly"), roles=[role])
    await stage.env.settle()
    return channel, member, moderator


async def publish(stage, guild, *names):
    """Adapters of a server's own voice, as training leaves them."""
    for name in names:
        publish_at(stage.app.home, name, stage.tmp_path)
        await stage.app.store.call(Store.add_adapter, Adapter(name, None, "fake-base", CREATED, guild_id=guild.id))


async def use(stage, guild, adapter):
    """Another process, such as the trainer, puts an adapter to use."""
    await stage.app.store.call(
        Store.promote, adapter, kind="gate", actor="run r1", reason="better", guild_id=guild.id if guild else None
    )


async def answered_by(stage, channel, who):
    """The adapter that answers a member in a channel."""
    answer = await stage.ask("Which wood?", who=who, channel=channel)
    return (await stage.reply(answer)).adapter


def said_in(channel):
    found = []
    for message in channel.history():
        found += [message.content, json.dumps([one.to_dict() for one in message.embeds])]
    return "\n".join(found)


async def test_each_server_is_answered_by_its_own_adapter(stage, elsewhere):
    """One without an adapter by the base model; nothing is swapped for that."""
    channel, eve, _ = elsewhere
    await publish(stage, stage.world.guild, "a1")
    await publish(stage, channel.guild, "b1")
    assert await answered_by(stage, channel, eve) is None
    await use(stage, stage.world.guild, "a1")
    assert await answered_by(stage, stage.world.general, stage.ada) == "a1"
    assert await answered_by(stage, channel, eve) is None
    await use(stage, channel.guild, "b1")
    assert await answered_by(stage, channel, eve) == "b1"
    assert await answered_by(stage, stage.world.general, stage.ada) == "a1"
    assert stage.engine.swaps == []


async def test_direct_messages_are_answered_by_the_voice_of_all(stage):
    """No server's own voice answers there."""
    await publish(stage, stage.world.guild, "a1")
    await use(stage, stage.world.guild, "a1")
    await stage.ada.send_dm("Which wood?")
    reply = await stage.app.store.call(Store.reply, 1)
    assert (reply.guild_id, reply.adapter) == (None, None)


async def test_a_promotion_is_told_on_its_own_server(stage, elsewhere):
    """And to nobody else; what it was promoted for is loaded before anybody asks."""
    channel, _, _ = elsewhere
    await publish(stage, channel.guild, "b1")
    await stage.app.look()
    await use(stage, channel.guild, "b1")
    await stage.app.look()
    assert "b1" in stage.engine.loaded
    assert texts.voice_changed("b1", "gate", "better") in said_in(stage.their_review).replace("\\n", "\n")
    assert "b1" not in said_in(stage.world.review)


async def test_a_night_of_one_server_is_reported_there_alone(stage, elsewhere, trainer):
    """Training for a server changes its voice and no other."""
    channel, eve, _ = elsewhere
    await stage.app.runs.train(
        trigger="schedule", guild=stage.app.client.get_guild(channel.guild.id), server=channel.guild.id
    )
    await stage.env.settle()
    assert trainer.servers == [channel.guild.id]
    assert await answered_by(stage, channel, eve) == "n1"
    assert await answered_by(stage, stage.world.general, stage.ada) is None
    assert "n1" in said_in(stage.their_review)
    assert "n1" not in said_in(stage.world.review)


async def test_a_run_of_another_process_is_reported_on_its_server_alone(stage, elsewhere):
    """As of `nightshift train --server`."""
    channel, _, _ = elsewhere
    run_id = await stored_run(stage)
    await stage.app.store.call(lambda store: store._db.execute("update runs set guild_id = ?", [channel.guild.id]))
    before = len(stage.world.review.history())
    await stage.app.look()
    await stage.env.settle()
    assert words.REPORT in said_in(stage.their_review)
    assert len(stage.world.review.history()) == before
    assert not await stage.app.client.reports.asked(run_id, 0, stage.app.client.get_guild(stage.world.guild.id))


async def test_moderators_steer_their_own_server(stage, elsewhere):
    """/adapter list, use and rollback of one server show and change nothing of another's."""
    channel, eve, sly = elsewhere
    await publish(stage, stage.world.guild, "a1", "a2")
    await publish(stage, channel.guild, "b1")
    await use(stage, stage.world.guild, "a1")
    await use(stage, channel.guild, "b1")
    listed = (await sly.slash(channel, "adapter list")).response.embeds[0].description
    assert "b1" in listed
    assert "a1" not in listed
    await sly.slash(channel, "adapter use", adapter="a2")
    assert await answered_by(stage, channel, eve) == "b1"
    await sly.slash(channel, "adapter rollback")
    assert await answered_by(stage, channel, eve) is None
    await stage.world.moderator.slash(stage.world.general, "adapter use", adapter="a2")
    assert await answered_by(stage, stage.world.general, stage.ada) == "a2"
    assert await answered_by(stage, channel, eve) is None
    theirs = await stage.app.store.call(Store.audit_search)
    assert {one.guild_id for one in theirs if one.action.startswith("adapter.")} == {
        stage.world.guild.id,
        channel.guild.id,
    }


async def test_status_and_history_are_of_ones_own_server(stage, elsewhere):
    """Its adapter, its pairs and its last run."""
    channel, eve, sly = elsewhere
    await stage.ask("Which wood?")
    await stage.world.moderator.click(stage.card, label=texts.APPROVE)
    await publish(stage, stage.world.guild, "a1")
    await use(stage, stage.world.guild, "a1")
    await stored_run(stage)
    await stage.app.store.call(lambda store: store._db.execute("update runs set guild_id = ?", [stage.world.guild.id]))

    async def fields(who, where):
        (embed,) = (await who.slash(where, "status")).response.embeds
        return {field.name: field.value for field in embed.fields}

    ours, theirs = await fields(stage.ada, stage.world.general), await fields(eve, channel)
    assert ours[texts.STATUS_ADAPTER] == texts.adapter_name("a1")
    assert theirs[texts.STATUS_ADAPTER] == texts.BASE_MODEL
    assert ours[texts.STATUS_PAIRS].startswith("0 to review\n1 approved")
    assert theirs[texts.STATUS_PAIRS].startswith("0 to review\n0 approved")
    assert theirs[texts.STATUS_LAST] == texts.NEVER != ours[texts.STATUS_LAST]
    shown = (await sly.slash(channel, "train history")).response.embeds[0].description
    assert shown == words.NO_RUNS


async def test_moderators_train_their_own_voice_and_stop_no_other(stage, elsewhere, trainer):
    """/train now is for the server where it was given."""
    channel, _, sly = elsewhere
    await sly.slash(channel, "train now")
    await stage.env.settle()
    assert trainer.servers == [channel.guild.id]
    await stage.app.store.call(Store.start_run, "schedule", "2026-11-25", 1, {}, guild_id=stage.world.guild.id)
    stage.app.runs._task = object()
    refused = await sly.slash(channel, "train cancel")
    stage.app.runs._task = None
    assert refused.response.content == words.NOT_TRAINING


async def test_a_run_that_was_resumed_is_stopped_by_its_own_moderators_alone(stage, elsewhere):
    """Not by those of a server whose later run only waits to be resumed, and that one is not closed with it."""
    channel, _, sly = elsewhere
    store, start = stage.app.store, partial(Store.start_run, trigger="schedule", local_date="2026-11-25", config={})
    ours = await store.call(partial(start, pid=1, guild_id=stage.world.guild.id))
    theirs = await store.call(partial(start, pid=2, guild_id=channel.guild.id))
    await store.call(mark_in_progress, ours)
    stage.app.runs._task = object()
    refused = await sly.slash(channel, "train cancel")
    stage.app.runs._task = None
    assert refused.response.content == words.NOT_TRAINING
    await store.call(close_unfinished, stage.app.home, "Ada cancelled it.")
    assert (await store.call(Store.run, ours.id)).outcome == "failed"
    assert (await store.call(Store.run, theirs.id)).outcome is None


async def test_an_adapter_that_cannot_be_loaded_leaves_its_server_with_the_one_before(stage, elsewhere):
    """The server is told once; others are not."""
    channel, eve, _ = elsewhere
    await publish(stage, channel.guild, "b1", "b2")
    await use(stage, channel.guild, "b1")
    assert await answered_by(stage, channel, eve) == "b1"
    load = stage.engine.load

    async def refuse(ref):
        if ref.id == "b2":
            raise AdapterMismatch(ref.path, "it is of another base")
        await load(ref)

    stage.engine.load = refuse
    await use(stage, channel.guild, "b2")
    assert await answered_by(stage, channel, eve) == "b1"
    assert await answered_by(stage, channel, eve) == "b1"
    assert said_in(stage.their_review).count("could not be loaded") == 1
    assert "b2" not in said_in(stage.world.review)


async def test_a_retired_adapter_answers_nothing_more(stage):
    """From the next answer on, and it leaves the memory."""
    await publish(stage, stage.world.guild, "a1", "a2")
    await use(stage, stage.world.guild, "a1")
    await use(stage, stage.world.guild, "a2")
    assert await answered_by(stage, stage.world.general, stage.ada) == "a2"
    await stage.app.store.call(Store.retire_adapter, "a2")
    assert await answered_by(stage, stage.world.general, stage.ada) == "a1"


async def test_a_server_that_was_not_named_has_no_voice(open_stage, settings, trainer, tmp_path):
    """Where the operator names the servers that teach, the moderators of others train nothing."""
    named = settings.model_copy(update={"voices": "server", "training": replace(settings.training, servers=(12345,))})
    async with open_stage(base=named, train=trainer) as stage:
        refused = await stage.world.moderator.slash(stage.world.general, "train now")
        assert refused.response.content == texts.NOT_LEARNING_HERE
        assert trainer.servers == []


@pytest.fixture
async def learnable(stage, elsewhere):
    """Two servers with enough news for a night: their ids."""
    channel, eve, sly = elsewhere
    await stage.app.store.call(Store.set_consent, eve.id, True)
    await stage.app.store.call(Store.set_consent, stage.ada.id, True)
    small = replace(stage.app.settings.training, min_pairs=2, min_new_pairs=1, learn_from=("message", "bot"))
    stage.app.runs._settings = stage.app.settings.model_copy(update={"training": small})
    for where, who, moderator in (
        (stage.world.general, stage.ada, stage.world.moderator),
        (channel, eve, sly),
    ):
        for n in range(2):
            answer = await stage.ask(f"Which wood for {where.guild.name} {n}?", who=who, channel=where)
            reply = await stage.reply(answer)
            await stage.app.store.call(Store.add_review, reply.id, "approve", reviewer=moderator.name)
    return {stage.world.guild.id, channel.guild.id}


async def test_the_night_trains_one_server_after_another(stage, learnable, trainer):
    """Those with enough news, where the bot still is."""
    await stage.app.runs.tonight("2026-11-25")
    await stage.env.settle()
    assert sorted(trainer.servers) == sorted(learnable)
    assert await stage.app.runs.nights() == ["2026-11-25"]
    await stage.app.runs.tonight("2026-11-26")
    assert len(trainer.servers) == 2  # nothing is new


async def test_a_night_that_begins_before_discord_is_reached_trains_every_server(stage, learnable, trainer):
    """A missed night begins with the bot: its client knows no server yet, which does not mean that it has left them."""
    connected, stage.app.client = stage.app.client, stage.app.new_client()
    try:
        await stage.app.runs.tonight("2026-11-25")
    finally:
        stage.app.client = connected
    assert sorted(trainer.servers) == sorted(learnable)
