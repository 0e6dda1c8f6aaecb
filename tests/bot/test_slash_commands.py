"""The slash commands as people use them: bot/slash_commands.py at work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import discord

from bot.i18n.en import texts
from storage.files.adapter_directory import AdapterDirectory
from storage.run_records import Adapter
from storage.store import Store
from trainer.result import RunResult


async def publish(stage, adapter_id: str, tmp_path) -> None:
    """A published adapter, as a training run leaves it behind."""
    publish_at(stage.app.home, adapter_id, tmp_path)
    await stage.app.store.call(
        Store.add_adapter, Adapter(adapter_id, None, "fake-base", "2026-11-23T04:00:00.000+00:00")
    )


def publish_at(home, adapter_id: str, tmp_path) -> None:
    """Its files alone."""
    source = tmp_path / adapter_id
    source.mkdir()
    (source / "adapter_config.json").write_text("{}")
    (source / "adapter_model.safetensors").write_bytes(adapter_id.encode())
    AdapterDirectory(home.adapters).publish(adapter_id, source, {"base_model": "fake-base"})


async def test_status_tells_what_is_running(stage):
    """/status names the model, the adapter, the state of review and the next training run, privately."""
    await stage.ask("Hello?")
    result = await stage.ada.slash(stage.world.general, "status")
    (embed,) = result.response.embeds
    fields = {field.name: field.value for field in embed.fields}
    assert result.response.ephemeral
    assert fields[texts.STATUS_MODEL] == "fake-base (cpu)"
    assert fields[texts.STATUS_ADAPTER] == texts.BASE_MODEL
    assert fields[texts.STATUS_PAIRS].startswith("1 to review")
    assert fields[texts.STATUS_LAST] == texts.NEVER
    assert fields[texts.STATUS_NEXT] == texts.NOT_PLANNED


async def test_train_now_runs_and_tells_how_it_ended(open_stage):
    """/train now starts a run in the moderator's name; its end is told to them and in the review channel."""
    calls = []

    async def train(home, *, force, trigger, local_date):
        calls.append((home, force, trigger))
        return RunResult(run="r1", outcome="kept", reason="The challenger was no better.", challenger="c")

    async with open_stage(train=train) as stage:
        result = await stage.world.moderator.slash(stage.world.general, "train now")
        assert result.response.content == texts.TRAINING_STARTED
        assert result.response.ephemeral
        assert calls == [(stage.app.home.root, False, "discord")]
        ended = texts.training_ended("kept", "The challenger was no better.")
        assert [one.content for one in result.followups] == [ended]
        assert stage.card.embeds[0].description == ended


async def test_members_may_not_train_and_are_told_why(stage):
    """Everybody else hears privately what it would take."""
    result = await stage.ada.slash(stage.world.general, "train now")
    assert result.response.content == texts.not_moderator("Moderator")
    assert result.response.ephemeral


async def test_one_run_at_a_time(open_stage):
    """While a run is going on, another is refused and /status says so."""
    going, gate = asyncio.Event(), asyncio.Event()

    async def train(home, *, force, trigger, local_date):
        going.set()
        await gate.wait()
        return RunResult(run="r1", outcome="skipped", reason="", challenger=None)

    async with open_stage(train=train) as stage:
        first = asyncio.create_task(stage.app.runs.train())
        await going.wait()
        second = await stage.world.moderator.slash(stage.world.general, "train now")
        assert second.response.content == texts.TRAINING_BUSY
        status = await stage.ada.slash(stage.world.general, "status")
        assert texts.RUN_NOW in [field.value for field in status.response.embeds[0].fields]
        gate.set()
        await first


async def test_a_promoted_adapter_is_in_use_when_training_ends(open_stage, tmp_path):
    """After a run that promotes, the engine has the new adapter, and the review channel hears once, with the reason."""

    async def train(home, *, force, trigger, local_date):
        await publish(stage, "night-1", tmp_path)
        await stage.app.store.call(Store.promote, "night-1", kind="gate", actor="trainer", reason="hold-out 3.8 to 2.7")
        return RunResult(run="r1", outcome="promoted", reason="won", challenger="night-1")

    async with open_stage(train=train) as stage:
        await stage.world.moderator.slash(stage.world.general, "train now")
        assert stage.engine.adapter == "night-1"
        (notice,) = stage.world.review.history()
        assert "`night-1`" in notice.embeds[0].description
        assert "hold-out 3.8 to 2.7" in notice.embeds[0].description
        assert "2 ms" in notice.embeds[0].description
        answer = await stage.ask("Who answers?")
        assert (await stage.reply(answer)).adapter == "night-1"


async def test_the_poll_picks_up_a_promotion_made_elsewhere(stage, tmp_path):
    """`nightshift adapters use` in another process reaches the running bot within seconds, without a restart."""
    await publish(stage, "picked", tmp_path)
    await stage.app.store.call(Store.promote, "picked", kind="use", actor="cli", reason="trying it out")
    await stage.env.advance_time(5)
    assert stage.engine.adapter == "picked"
    assert "trying it out" in stage.card.embeds[0].description
    await stage.env.advance_time(30)
    assert len(stage.world.review.history()) == 1


async def test_a_damaged_adapter_is_announced_once_and_the_old_one_stays(stage, tmp_path):
    """An adapter whose files have changed is never loaded; the review channel is told what to do, not every 5 s."""
    await publish(stage, "broken", tmp_path)
    (stage.app.home.adapters / "broken" / "adapter_model.safetensors").write_bytes(b"other")
    await stage.app.store.call(Store.promote, "broken", kind="use", actor="cli", reason="")
    await stage.env.advance_time(60)
    (notice,) = stage.world.review.history()
    assert "damaged" in notice.embeds[0].description
    assert stage.engine.swaps == []
    assert (await stage.ask("Still there?")).content == "You said: Still there?"


async def test_a_damaged_champion_does_not_keep_the_bot_from_starting(open_stage, home, tmp_path):
    """The bot starts on the base model, answers, and the review channel hears what is wrong."""
    publish_at(home, "broken", tmp_path)
    with Store.open(home.db) as store:
        store.add_adapter(Adapter("broken", None, "fake-base", "2026-11-23T04:00:00.000+00:00"))
        store.promote("broken", kind="gate", actor="trainer", reason="won")
    (home.adapters / "broken" / "adapter_model.safetensors").write_bytes(b"other")
    async with open_stage() as stage:
        assert (await stage.ask("Are you there?")).content == "You said: Are you there?"
        await stage.env.advance_time(60)
        _card, notice = stage.world.review.history()
        assert "damaged" in notice.embeds[0].description


async def test_rollback_goes_back_and_tells_everybody_concerned(stage, tmp_path):
    """/adapter rollback returns to the adapter before, at once, with the moderator named in the review channel."""
    for adapter in ("first", "second"):
        await publish(stage, adapter, tmp_path)
        await stage.app.store.call(Store.promote, adapter, kind="gate", actor="trainer", reason="won")
        await stage.app.sync_adapter()
    result = await stage.world.moderator.slash(stage.world.general, "adapter rollback")
    assert stage.engine.adapter == "first"
    assert result.ephemeral
    shown = [result.response, *result.followups]
    assert texts.rolled_back("first") in [one.content for one in shown if one]
    assert "Mo" in stage.card.embeds[0].description


async def test_rollback_to_the_base_model(stage, tmp_path):
    """Before the first adapter there is the bare base, and that can be gone back to as well."""
    await publish(stage, "first", tmp_path)
    await stage.app.store.call(Store.promote, "first", kind="gate", actor="trainer", reason="won")
    await stage.app.sync_adapter()
    await stage.world.moderator.slash(stage.world.general, "adapter rollback")
    assert stage.engine.adapter is None


async def test_nothing_to_roll_back_is_a_sentence(stage):
    """With nothing before it, rollback says so."""
    result = await stage.world.moderator.slash(stage.world.general, "adapter rollback")
    shown = [one.content for one in [result.response, *result.followups] if one]
    assert texts.NOTHING_TO_ROLL_BACK in shown


async def test_members_may_not_roll_back(stage):
    """Everybody else hears privately what it would take."""
    result = await stage.ada.slash(stage.world.general, "adapter rollback")
    assert result.response.content == texts.not_moderator("Moderator")


async def test_every_slash_command_is_in_the_documentation(stage):
    """In a line that names its group and itself, on the pages for members, moderators or the operator."""
    pages = Path(__file__).parents[2] / "docs"
    lines = "".join((pages / name).read_text() for name in ("members.md", "moderators.md", "discord.md")).splitlines()
    missing = []
    for command in stage.app.client.tree.walk_commands(type=discord.AppCommandType.chat_input):
        if isinstance(command, discord.app_commands.Group):
            continue
        group, _, name = command.qualified_name.partition(" ")
        named = [line for line in lines if f"`/{group}" in line]
        if not any(f"`/{group} {name}".rstrip() in line or f"`{name}" in line for line in named):
            missing.append(command.qualified_name)
    assert missing == []
