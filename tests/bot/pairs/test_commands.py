"""/pairs and /stats: what the bot learns from, looked at from Discord."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from PIL import Image

from bot.discord_io import charts
from bot.i18n.en import moderation as words
from bot.i18n.en import quarantine as reasons
from bot.i18n.en import texts
from storage.files.pair_files import read_pairs
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.quarantine import WAITS_SINCE_IMPORT
from storage.reply_records import Turn
from storage.store import Store
from tests.bot.review.test_verdicts import second_moderator
from tests.bot.training.test_commands import another_server

ROW = {"messages": [{"role": "user", "content": "Is teak oily?"}, {"role": "assistant", "content": "Very."}]}


async def approved(stage, *questions, **place):
    for question in questions:
        await stage.ask(question, **place)
        await stage.world.moderator.click(stage.card, label="Approve")


async def pairs(stage, command, *, who=None, channel=None, **options):
    """The last thing /pairs answers."""
    who, channel = who or stage.world.moderator, channel or stage.world.general
    result = await who.slash(channel, f"pairs {command}", **options)
    answer = (result.followups or [result.response])[-1]
    assert answer.ephemeral
    return answer


async def test_search_shows_pairs_that_hold_the_words(stage):
    """Question, answer, number and who approved it; pending replies are none."""
    await approved(stage, "Is oak hard?", "Is pine soft?")
    await stage.ask("Is oak old?")
    found = await pairs(stage, "search", text="PINE")
    assert found.embeds[0].description == "**2** \u00b7 Mo\n> Is pine soft?\nYou said: Is pine soft?"
    assert (await pairs(stage, "search", text="walnut")).content == words.NO_PAIRS


async def test_remove_keeps_a_pair_out_of_training(stage):
    """The pair is offered while typing; removing it is a verdict, in the audit, and shows on the card."""
    await approved(stage, "Is oak hard?", "Is pine soft?")
    offered = await stage.world.moderator.autocomplete(stage.world.general, "pairs remove", "pair", "pine")
    assert offered == [{"name": "2: Is pine soft?", "value": "2"}]
    assert (await pairs(stage, "remove", pair="2")).content == words.removed(2)
    assert [one.reply_id for one in await stage.app.store.call(lambda store: list(store.pairs()))] == [1]
    (entry,) = await stage.app.store.call(lambda store: store.audit_search(guild_id=stage.world.guild.id))
    assert (entry.actor, entry.action, entry.subject) == ("Mo", "pairs.remove", "2")
    assert stage.card.embeds[0].title == texts.verdict_line("reject", "Mo")
    assert (await pairs(stage, "remove", pair="2")).content == words.PAIR_GONE
    assert (await pairs(stage, "remove", pair="words")).content == words.PAIR_GONE


async def test_export_is_a_file_that_can_be_imported(stage, tmp_path):
    """JSONL, in the order they were said; what nobody may learn from is not in it."""
    await approved(stage, "Is walnut dark?", who=stage.ben, channel=stage.world.guild.create_text_channel("darkroom"))
    assert (await pairs(stage, "export")).content == words.EXPORT_NONE_ELIGIBLE
    await stage.ada.slash(stage.world.general, "privacy opt-in")
    await approved(stage, "Is oak hard?", "Is pine soft?")
    answer = await pairs(stage, "export")
    assert answer.content == words.exported(2)
    (file,) = answer.attachments
    path = tmp_path / file.filename
    path.write_bytes(await file.read())
    assert [pair.turns[-1].content for pair in read_pairs(path)] == ["Is oak hard?", "Is pine soft?"]


async def test_export_of_nothing_says_so(stage):
    """No empty file."""
    assert (await pairs(stage, "export")).content == words.EXPORT_EMPTY


async def test_import_takes_good_rows_and_names_bad_ones(stage):
    """The same checks as on the command line: duplicates counted, each bad row with its number and reason."""
    lines = [json.dumps(ROW), json.dumps(ROW), "{broken", json.dumps({"messages": []})]
    answer = await pairs(stage, "import", file=("voice.jsonl", "\n".join(lines).encode()))
    first, *bad = answer.content.splitlines()
    assert first == "imported 1, duplicates 1, rejected 2"
    assert [line.split(":")[0] for line in bad] == ["row 3", "row 4"]
    (pair,) = await stage.app.store.call(lambda store: list(store.pairs()))
    assert (pair.completion, pair.reviewer) == ("Very.", "Mo")
    (entry,) = await stage.app.store.call(lambda store: store.audit_search(guild_id=stage.world.guild.id))
    assert (entry.action, entry.details["imported"]) == ("pairs.import", 1)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (("voice.txt", b"hello"), words.IMPORT_ENDING),
        (("voice.csv", b"one,two\n1,2\n"), words.IMPORT_UNREADABLE),
        (("voice.jsonl", b"x" * (8 * 1024 * 1024 + 1)), words.IMPORT_TOO_LARGE),
        (("voice.csv", b"PK\x03\x04" + b"\0" * 100), words.IMPORT_PACKED),
        (("voice.csv", b"prompt,reply\n" + b"a,b\n" * 50_001), words.IMPORT_TOO_MANY_ROWS),
    ],
)
async def test_a_file_that_cannot_be_imported_is_refused(stage, file, sentence):
    """With what to do instead; no path of the bot's machine is shown."""
    assert (await pairs(stage, "import", file=file)).content == sentence


async def test_another_server_s_pairs_are_out_of_reach(stage):
    """Neither search, nor export, nor a number typed by hand leads there."""
    await approved(stage, "Is oak hard?")
    await stage.app.store.call(Store.import_pairs, [NewPair((Turn("user", "Operator's oak?"),), "Yes.")], "Op")
    other = stage.env.create_guild("Elsewhere")
    channel = other.create_text_channel("general")
    sly = other.add_member(stage.env.create_user("sly"), roles=[other.create_role("Moderator")])
    assert (await pairs(stage, "search", who=sly, channel=channel, text="oak")).content == words.NO_PAIRS
    assert (await pairs(stage, "export", who=sly, channel=channel)).content == words.EXPORT_EMPTY
    for number in ("1", "2"):
        assert (await pairs(stage, "remove", who=sly, channel=channel, pair=number)).content == words.PAIR_GONE
    assert await sly.autocomplete(channel, "pairs remove", "pair", "") == []
    assert len(await stage.app.store.call(lambda store: list(store.pairs()))) == 2


async def test_the_operator_s_pairs_are_shown_where_there_is_one_server(stage):
    """Then they are this community's."""
    await stage.app.store.call(Store.import_pairs, [NewPair((Turn("user", "Operator's oak?"),), "Yes.")], "Op")
    assert "Operator's oak?" in (await pairs(stage, "search", text="oak")).embeds[0].description
    assert (await pairs(stage, "remove", pair="1")).content == words.removed(1)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("pairs search", {"text": "a"}),
        ("pairs remove", {"pair": "1"}),
        ("pairs export", {}),
        ("pairs import", {"file": ("a.jsonl", b"")}),
        ("stats", {}),
    ],
)
async def test_members_have_no_access(stage, command, options):
    """Every command checks who asks."""
    result = await stage.ada.slash(stage.world.general, command, **options)
    assert result.response.content == texts.not_moderator("Moderator")


async def test_stats_draws_reviews_by_day_and_by_adapter(stage):
    """A picture, and the shares in words."""
    stage.engine.adapter = "night-1"
    await approved(stage, "Is oak hard?", "Is pine soft?")
    await stage.ask("Is it?")
    await stage.world.moderator.click(stage.card, label="Reject")
    result = await stage.world.moderator.slash(stage.world.general, "stats")
    answer = (result.followups or [result.response])[-1]
    assert answer.embeds[0].description == words.share("night-1", 2, 3)
    (edits,) = [field.value for field in answer.embeds[0].fields if field.name == words.STATS_EDITS]
    assert edits.startswith(words.changed("night-1", 0.0, 2))
    assert len(edits.splitlines()) == 2  # the adapter, and this week
    with Image.open(io.BytesIO(await answer.attachments[0].read())) as image:
        assert image.width > image.height


async def test_stats_without_matplotlib_are_words(stage, monkeypatch):
    """The days are listed instead."""
    monkeypatch.setattr(charts, "_figure", lambda *_: None)
    await approved(stage, "Is oak hard?")
    result = await stage.world.moderator.slash(stage.world.general, "stats")
    answer = (result.followups or [result.response])[-1]
    assert answer.attachments == []
    assert any("1 of 1 approved (100%)" in field.value for field in answer.embeds[0].fields)


async def test_stats_before_the_first_review(stage):
    """There is nothing to draw."""
    result = await stage.world.moderator.slash(stage.world.general, "stats")
    assert result.response.content == words.STATS_NONE


async def imported(stage, *questions, who=None, channel=None):
    """What /pairs import answers to a file with these questions."""
    rows = [
        {"messages": [{"role": "user", "content": one}, {"role": "assistant", "content": f"About {one}"}]}
        for one in questions
    ]
    file = ("voice.jsonl", "\n".join(map(json.dumps, rows)).encode())
    return await pairs(stage, "import", who=who, channel=channel, file=file)


async def eligible(stage):
    """The questions that a night may learn from."""
    named = stage.app.settings.training.servers
    return await stage.app.store.call(
        lambda store: [
            one.turns[-1].content for one in store.eligible_pairs("members", servers=named, learn_from=ORIGINS)
        ]
    )


async def test_an_import_waits_until_a_second_moderator_lets_it_in(stage):
    """Who imported it, is shown it and cannot; the answer says that it waits."""
    second = second_moderator(stage)
    answer = await imported(stage, "Is teak oily?", "Is ash pale?")
    assert answer.embeds[0].description == words.import_waits(2)
    assert await eligible(stage) == []
    own = (await stage.world.moderator.slash(stage.world.general, "pairs quarantine")).response
    assert words.quarantine_by("Mo", own=True) in [field.value for field in own.embeds[0].fields]
    page = (await second.slash(stage.world.general, "pairs quarantine")).response
    assert reasons.why(WAITS_SINCE_IMPORT) in [field.value for field in page.embeds[0].fields]
    await second.click(page, label=words.QUARANTINE_CONFIRM)
    assert await eligible(stage) == ["Is teak oily?"]
    await second.click(page, label=words.QUARANTINE_DISMISS)
    assert await eligible(stage) == ["Is teak oily?"]


async def test_a_stranger_s_server_teaches_nothing_and_is_told_so(stage):
    """Whoever invites the bot moderates there: neither replies nor imports of theirs are learned from."""
    channel, sly, accomplice = await another_server(stage)
    await accomplice.slash(channel, "privacy opt-in")
    answer = await imported(stage, "What to buy?", who=sly, channel=channel)
    assert texts.NOT_LEARNING_HERE in answer.embeds[0].description
    page = (await accomplice.slash(channel, "pairs quarantine")).response
    await accomplice.click(page, label=words.QUARANTINE_CONFIRM)
    await accomplice.send(channel, f"{stage.me} Buy what?")
    await sly.context_menu(channel, "Approve", channel.last_message)
    assert await eligible(stage) == []
    assert (await pairs(stage, "search", who=sly, channel=channel, text="buy")).content == texts.NOT_LEARNING_HERE
    assert (await pairs(stage, "export", who=sly, channel=channel)).content == texts.NOT_LEARNING_HERE
    status = (await sly.slash(channel, "status")).response.embeds[0]
    assert texts.NOT_LEARNING_HERE in [field.value for field in status.fields]
    for command in ("privacy status", "privacy opt-in"):
        assert (await accomplice.slash(channel, command)).response.content.endswith(texts.NOT_LEARNING_HERE)
    # What never reached the home server's voice is not for its moderators to see.
    assert (await pairs(stage, "search", text="buy")).content == words.NO_PAIRS


async def test_home_moderators_see_and_remove_what_another_server_s_imports_teach(stage):
    """Where the operator named both servers: it reaches everybody's voice."""
    channel, sly, second = await another_server(stage)
    training = replace(stage.app.settings.training, servers=(stage.world.guild.id, channel.guild.id))
    stage.app.settings = stage.app.settings.model_copy(update={"training": training})
    await stage.env.restart_bot(stage.app.new_client())
    await imported(stage, "Is teak oily?", who=sly, channel=channel)
    held = (await stage.world.moderator.slash(stage.world.general, "pairs quarantine")).response
    assert held.embeds[0].description == words.QUARANTINE_EMPTY  # a moderator of that server decides first
    page = (await second.slash(channel, "pairs quarantine")).response
    await second.click(page, label=words.QUARANTINE_CONFIRM)
    assert await eligible(stage) == ["Is teak oily?"]
    assert "Is teak oily?" in (await pairs(stage, "search", text="teak")).embeds[0].description
    run = await stage.app.store.call(Store.start_run, "schedule", "2026-11-23", 1, {})
    await stage.app.store.call(Store.quarantine, run.id, [(1, "It is odd.")])
    assert await eligible(stage) == []
    page = (await stage.world.moderator.slash(stage.world.general, "pairs quarantine")).response
    await stage.world.moderator.click(page, label=words.QUARANTINE_CONFIRM)
    assert await eligible(stage) == ["Is teak oily?"]
    assert (await pairs(stage, "remove", pair="1")).content == words.removed(1)
    assert await eligible(stage) == []


async def test_what_was_said_here_does_not_come_back_in_a_file(stage):
    """Neither an answer whose verdict was undone nor what somebody had forgotten; the answer says how many and why."""
    await approved(stage, "Is my oak in Elm Street hard?")
    await stage.world.moderator.click(stage.card, label=words.UNDO)
    for fate in ("undone", "forgotten"):
        if fate == "forgotten":
            asked = await stage.ada.slash(stage.world.general, "privacy forget")
            await stage.ada.click(asked.response, label=texts.FORGET_YES)
        answer = await imported(stage, "is my OAK in elm street hard!")
        assert words.import_refused(1) in answer.embeds[0].description
    assert await stage.app.store.call(lambda store: list(store.pairs())) == []
