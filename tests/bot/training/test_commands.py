"""/train and /adapter as moderators use them: bot/training/commands.py and adapters.py at work."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.settings import load_settings
from storage.store import Store
from tests.bot.test_slash_commands import publish
from trainer.errors import SettingsInvalid
from trainer.result import RunResult


@asynccontextmanager
async def a_run_under_way(open_stage, **options):
    """A stage on which a training run goes on until it is cancelled or left; with the run's id."""
    started = asyncio.Event()

    async def train(_home, *, force, trigger, local_date):
        started.set()
        await asyncio.Event().wait()

    async with open_stage(train=train, **options) as stage:
        task = asyncio.create_task(stage.app.runs.train())
        await started.wait()
        run = await stage.app.store.call(Store.start_run, "discord", "2026-11-23", 1, {})
        await stage.app.store.call(Store.update_run, run.id, stage="train")
        yield stage, run.id, task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_train_status_tells_how_far_the_run_is_and_follows_it(open_stage):
    """/train status names stage, step and losses, and its message goes on as the run does, every few seconds."""
    async with a_run_under_way(open_stage) as (stage, run_id, _):
        log = Store.log_metrics
        await stage.app.store.call(log, run_id, 3, {"loss": 2.5})
        result = await stage.world.moderator.slash(stage.world.general, "train status")
        assert result.response.content.startswith("**Training** \u00b7 step 3 \u00b7 loss 2.500")
        assert result.response.ephemeral
        await stage.app.store.call(log, run_id, 4, {"loss": 2.25, "eval_loss": 2.75})
        await stage.env.advance_time(5)
        assert "step 4 \u00b7 loss 2.250 \u00b7 validation loss 2.750" in result.response.content


async def test_progress_is_shown_at_most_once_every_few_seconds(open_stage):
    """However often the trainer reports, Discord sees few edits."""
    async with a_run_under_way(open_stage) as (stage, run_id, _):
        result = await stage.world.moderator.slash(stage.world.general, "train status")
        seen = {result.response.content}
        for second in range(12):
            await stage.app.store.call(Store.log_metrics, run_id, second, {"loss": 3 - second / 10})
            await stage.env.advance_time(1)
            seen.add(result.response.content)
        assert 2 <= len(seen) <= 5


async def test_without_a_run_status_says_so(stage):
    """Nothing is going on."""
    result = await stage.world.moderator.slash(stage.world.general, "train status")
    assert result.response.content == words.NOT_TRAINING


async def test_train_cancel_stops_the_run_and_says_who_did(open_stage):
    """The child is stopped, the review channel hears of it, the audit names the moderator."""
    async with a_run_under_way(open_stage) as (stage, _run, task):
        result = await stage.world.moderator.slash(stage.world.general, "train cancel")
        assert result.response.content == words.CANCELLED
        assert (await task).reason == words.cancelled_by("Mo")
        assert words.cancelled_by("Mo") in stage.card.embeds[0].description
        assert not stage.app.runs.going
        (entry,) = await stage.app.store.call(Store.audit_search)
        assert (entry.actor, entry.actor_id, entry.action) == ("Mo", stage.world.moderator.id, "train.cancel")


async def test_there_must_be_a_run_to_cancel(stage):
    """Without one the command says so."""
    result = await stage.world.moderator.slash(stage.world.general, "train cancel")
    assert result.response.content == words.NOT_TRAINING


async def test_train_history_tells_what_the_runs_came_to(stage):
    """Newest first, with outcome, pairs, hold-out loss before and after, and the reason."""
    for outcome, reason in (("skipped", "Too little."), ("promoted", "It won.")):
        run = await stage.app.store.call(Store.start_run, "schedule", "2026-11-23", 1, {})
        fields = {"train_pairs": 120, "champion_nll": 3.5, "challenger_nll": 2.5} if outcome == "promoted" else {}
        await stage.app.store.call(Store.finish_run, run.id, outcome, reason, **fields)
    result = await stage.world.moderator.slash(stage.world.general, "train history")
    first, reason, second, _ = result.response.embeds[0].description.splitlines()
    assert "**promoted** \u00b7 120 pairs \u00b7 hold-out loss 3.500 \u2192 2.500" in first
    assert "It won." in reason
    assert "**skipped**" in second


async def test_adapter_list_shows_which_one_answers(stage, tmp_path):
    """Every adapter, the newest first, with the one in use and those retired."""
    for name in ("first", "second", "third"):
        await publish(stage, name, tmp_path)
    await stage.app.store.call(Store.promote, "second", kind="gate", actor="trainer", reason="won")
    await stage.app.store.call(Store.retire_adapter, "first")
    result = await stage.world.moderator.slash(stage.world.general, "adapter list")
    lines = result.response.embeds[0].description.splitlines()
    assert [line.split("`")[1] for line in lines[:3]] == ["third", "second", "first"]
    assert words.IN_USE in lines[1]
    assert words.RETIRED in lines[2]


async def test_adapter_use_swaps_it_in_and_is_in_the_audit(stage, tmp_path):
    """A moderator chooses; the bot answers with it at once."""
    await publish(stage, "mine", tmp_path)
    result = await stage.world.moderator.slash(stage.world.general, "adapter use", adapter="mine")
    assert stage.engine.adapter == "mine"
    assert words.used("mine") in [one.content for one in [result.response, *result.followups] if one]
    (entry,) = await stage.app.store.call(Store.audit_search)
    assert (entry.actor, entry.action, entry.subject) == ("Mo", "adapter.use", "mine")


async def test_adapters_are_offered_while_typing(stage, tmp_path):
    """Those that can be used, and the base model; nothing for members."""
    for name in ("first", "second", "gone"):
        await publish(stage, name, tmp_path)
    await stage.app.store.call(Store.retire_adapter, "gone")
    offer = stage.world.moderator.autocomplete
    choices = await offer(stage.world.general, "adapter use", "adapter", "")
    assert [one["value"] for one in choices] == ["second", "first", "base"]
    assert choices[2]["name"] == f"base ({words.IN_USE})"
    assert [one["value"] for one in await offer(stage.world.general, "adapter use", "adapter", "SEC")] == ["second"]
    assert await stage.ada.autocomplete(stage.world.general, "adapter use", "adapter", "") == []


@pytest.mark.parametrize(
    ("adapter", "sentence"),
    [("nobody", words.ADAPTER_GONE), ("gone", words.ADAPTER_RETIRED), ("broken", words.ADAPTER_DAMAGED)],
)
async def test_an_adapter_that_cannot_be_used_is_refused_with_the_reason(stage, tmp_path, adapter, sentence):
    """The one in use stays."""
    for name in ("gone", "broken"):
        await publish(stage, name, tmp_path)
    await stage.app.store.call(Store.retire_adapter, "gone")
    (stage.app.home.adapters / "broken" / "adapter_model.safetensors").write_bytes(b"other")
    result = await stage.world.moderator.slash(stage.world.general, "adapter use", adapter=adapter)
    assert sentence in [one.content for one in [result.response, *result.followups] if one]
    assert stage.engine.swaps == []


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("train now", {}),
        ("train status", {}),
        ("train cancel", {}),
        ("train history", {}),
        ("adapter list", {}),
        ("adapter use", {"adapter": "base"}),
        ("adapter rollback", {}),
    ],
)
async def test_members_may_not_steer(stage, command, options):
    """Every command of both groups checks who asks."""
    result = await stage.ada.slash(stage.world.general, command, **options)
    assert result.response.content == texts.not_moderator("Moderator")
    assert result.response.ephemeral


async def another_server(stage, name="Elsewhere"):
    """A second server that invites the bot: its channel, and two who moderate there."""
    other = stage.env.create_guild(name)
    channel = other.create_text_channel("general")
    role = other.create_role("Moderator")
    people = [other.add_member(stage.env.create_user(one), roles=[role]) for one in ("sly", "cro")]
    await stage.env.settle()
    return channel, *people


async def test_with_several_servers_only_the_first_one_steers(stage):
    """One adapter answers everywhere: a server that joins later neither changes it nor locks the first one out."""
    channel, stranger, _ = await another_server(stage)
    result = await stranger.slash(channel, "train now")
    assert result.response.content == words.elsewhere("Nightshift's workshop")
    ours = await stage.world.moderator.slash(stage.world.general, "train now")
    assert ours.response.content == texts.TRAINING_STARTED


async def test_a_server_that_takes_the_name_of_the_main_one_steers_nothing(stage):
    """It is known by its id, also after a restart and when the first server is not there any more."""
    channel, stranger, _ = await another_server(stage, "Nightshift's workshop")
    assert (await stranger.slash(channel, "train now")).response.content == words.elsewhere("Nightshift's workshop")
    await stage.app.client.get_guild(stage.world.guild.id).leave()
    await stage.env.restart_bot(stage.app.new_client())
    assert (await stranger.slash(channel, "train now")).response.content == words.elsewhere(None)


async def test_the_operator_names_the_main_server_by_its_id(open_stage):
    """Then the first one has no more to say than others."""
    async with open_stage() as stage:
        channel, stranger, _ = await another_server(stage)
        stage.app.settings = stage.app.settings.model_copy(
            update={"discord": replace(stage.app.settings.discord, main_server=channel.guild.id)}
        )
        await stage.env.restart_bot(stage.app.new_client())
        assert (await stranger.slash(channel, "train now")).response.content == texts.TRAINING_STARTED
        result = await stage.world.moderator.slash(stage.world.general, "train now")
        assert result.response.content == words.elsewhere("Elsewhere")


async def test_status_is_complete(stage):
    """Model, adapter, queue, speed, memory, next run and the last swap, for everybody."""
    await stage.engine.swap(None)
    result = await stage.ada.slash(stage.world.general, "status")
    fields = {field.name: field.value for field in result.response.embeds[0].fields}
    wanted = ("MODEL", "ADAPTER", "QUEUE", "SPEED", "MEMORY", "PAIRS", "LAST", "NEXT", "SWAP")
    assert list(fields) == [getattr(texts, f"STATUS_{name}") for name in wanted]


async def test_a_force_is_passed_on(open_stage):
    """/train now force:True trains even if little is new."""
    forced = []

    async def train(_home, *, force, trigger, local_date):
        forced.append(force)
        return RunResult(run="r1", outcome="skipped", reason="")

    async with open_stage(train=train) as stage:
        await stage.world.moderator.slash(stage.world.general, "train now", force=True)
    assert forced == [True]


@pytest.mark.parametrize(
    ("command", "options", "action"),
    [
        ("train now", {"force": True}, "train.now"),
        ("adapter use", {"adapter": "second"}, "adapter.use"),
        ("adapter rollback", {}, "adapter.rollback"),
        ("pairs export", {}, "pairs.export"),
        ("pairs remove", {"pair": "1"}, "pairs.remove"),
        ("hold", {"on": True}, "settings.hold"),
    ],
)
async def test_every_administrative_act_is_in_the_audit(stage, tmp_path, command, options, action):
    """Who, what and when."""
    for name in ("first", "second"):
        await publish(stage, name, tmp_path)
        await stage.app.store.call(Store.promote, name, kind="gate", actor="trainer", reason="won")
    await stage.ask("Which wood?")
    await stage.ada.slash(stage.world.general, "privacy opt-in")
    await stage.world.moderator.click(stage.world.review.last_message, label=texts.APPROVE)
    await stage.world.moderator.slash(stage.world.general, command, **options)
    (entry,) = await stage.app.store.call(Store.audit_search)
    assert (entry.actor, entry.actor_id, entry.action) == ("Mo", stage.world.moderator.id, action)
    assert entry.created_at.startswith("20")


@pytest.mark.parametrize("name", ["Nightshift's workshop", "@everyone", ""])
async def test_a_server_s_name_is_refused_with_the_way_to_its_id(home, name):
    """A setting from before ids: the bot does not start with it, and says where the id is found."""
    home.config.write_text(f'[discord]\nmain_server = "{name}"\n')
    with pytest.raises(SettingsInvalid, match=r"discord.main_server.*another server can take its name.*Copy Server ID"):
        load_settings(home)
    home.config.write_text("[discord]\nmain_server = 1456074443980800016\n")
    assert load_settings(home).discord.main_server == 1456074443980800016
