"""What is said fits into Discord's limits, whatever words it is made of: bot/discord_io/limits.py.

The checks are SimCord's own, which the bot does not use.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import discord
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcord.components import validate_embeds

from bot.chat.buttons import ContinueButton, RegenerateButton, StopButton
from bot.discord_io import limits
from bot.discord_io.excerpts import quoted
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.i18n.language import speaking
from bot.pairs.quarantine import _page
from bot.review.blind_vote import BlindVote, vote_buttons, vote_embed
from bot.review.cards import ReasonMenu, card, card_buttons
from bot.review.service import edit_form
from bot.server.guild_settings import GuildSettings
from bot.server.persona import persona_form
from bot.server.settings_commands import _shown
from bot.server.setup import SetupChannel, SetupRole, SetupStep
from bot.slash_commands import status_embed
from bot.training.operations import Status
from bot.training.report import report_embed
from model.protocol import EngineStats
from storage.pair_records import PairCounts, Quarantined
from storage.reply_records import Reply, Turn
from storage.review_records import Review
from storage.run_records import Run
from storage.store import Store

ROOT = Path(__file__).resolve().parents[3] / "bot"
NOW = "2026-11-23T04:00:00.000+00:00"
WALL = "\n" * 4000
# Walls of line breaks, long words, signs of two code units, markup, and what hypothesis thinks of.
said = st.one_of(
    st.text(max_size=300),
    st.sampled_from(["", " ", "\n", "> ", "\u200b", "a", "\U0001f333", "`" * 3, "word "]).flatmap(
        lambda piece: st.integers(0, 5000).map(lambda times: piece * times)
    ),
)
often = settings(max_examples=60, deadline=None)


def fits(embed: discord.Embed) -> None:
    """Raises where Discord would refuse it."""
    sent = embed.to_dict()
    validate_embeds([sent])
    for field in sent.get("fields", ()):
        assert field["name"].strip()
        assert field["value"].strip()


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_embed_is_one_that_fits_itself(file):
    """discord.py's own class is named in one place only."""
    made = [
        node.lineno
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "discord.Embed"
    ]
    assert not made


@given(said, said, said, said, st.lists(st.tuples(said, said), max_size=40))
@often
def test_any_embed_fits(title, description, author, footer, fields):
    """Each part and everything together; nothing is empty."""
    embed = limits.Embed(title=title, description=description)
    embed.set_author(name=author).set_footer(text=footer)
    for name, value in fields:
        embed.add_field(name=name, value=value)
    fits(embed)


@given(said, st.integers(1, 2000))
@often
def test_a_quotation_is_measured_with_its_signs(text, limit):
    """A line break takes three characters once it is quoted."""
    assert len(quoted(text, limit)) <= limit


@given(said)
@often
def test_any_content_fits(text):
    """And what fits is left as it is."""
    assert len(limits.content(text)) <= 2000
    if len(text) <= 2000:
        assert limits.content(text) == text


def a_reply(question, text, adapter=None):
    return Reply(
        source="discord",
        conversation="c",
        turns=(Turn("user", question, author_id=1),),
        text=text,
        adapter=adapter,
        base_model="b",
        guild_id=1,
        channel_id=2,
        message_id=3,
        asker_id=1,
        id=10**15,
        created_at=NOW,
        redacted=False,
    )


@given(said, said, said, said, st.sampled_from(["approve", "edit", "reject", None]))
@often
def test_any_card_fits_and_shows_the_answer(question, text, edited, name, verdict):
    """Whatever was asked, answered and corrected, by whomever."""
    review = verdict and Review(1, 1, verdict, edited if verdict == "edit" else None, "off_topic", 1, name, NOW)
    with speaking("de"):
        shown = card(a_reply(question, text, adapter=name), review, name, held=True, replaced_by=10**15)
    fits(shown)
    if text.strip() and review is None:
        assert text.strip()[:20].strip() in shown.to_dict()["description"]


@given(said, said, said, said)
@often
def test_any_page_of_the_quarantine_report_and_comparison_fits(question, text, reason, name):
    """A night's words and a member's."""
    fits(_page([], Quarantined(1, reason, "r", NOW, 1, question, text, name, 2), 2)[0])
    fits(vote_embed(BlindVote("r" * 60, 1, question, champion=text, challenger=reason)))
    run = Run(id="r", trigger="manual", stage="done", started_at=NOW, local_date="2026-11-23", pid=1)
    run = replace(run, reason=reason, outcome="kept", challenger=name, champion_nll=1.0, challenger_nll=2.0)
    run = replace(run, train_pairs=1, holdout_pairs=1, finished_at=NOW)
    fits(report_embed(run, [reason, text, question]))
    engine = EngineStats(name, name, "cpu", 1, 0, 0, 0.0, 0)
    counts = PairCounts(pending=0, approved=0, rejected=0, eligible=0)
    fits(status_embed(Status(engine, counts, run, datetime.now(UTC), training=False)))


async def test_settings_with_two_hundred_roles_and_a_long_persona_are_shown(stage):
    """/settings show lists them all as far as there is room."""
    guild = stage.app.client.get_guild(stage.world.guild.id)
    many = list(range(10**17, 10**17 + 200))
    held = GuildSettings(
        persona=WALL + "x", role_quotas=dict.fromkeys(many, 5), allowed_channels=many, denied_roles=many
    )
    fits(_shown(guild, held, guild.text_channels[0]))


async def nothing(*_):
    """What a form does."""


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("text", ["", "word", WALL, "x" * 9000], ids=["none", "word", "wall", "long"])
def test_every_form_fits(language, text):
    """Title, label, hint and what stands in the field."""
    with speaking(language):
        for form in (persona_form(text, nothing), edit_form(text[:4000], nothing)):
            sent = form.to_dict()
            assert 1 <= len(sent["title"]) <= 45
            for label in sent["components"]:
                assert len(label["label"]) <= 45
                field = label["component"]
                assert len(field.get("value") or "") <= field["max_length"] <= 4000
                assert len(field.get("placeholder") or "") <= 100


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_button_and_menu_fits(language):
    """Labels, options, hints and custom ids, with the largest numbers there are."""
    largest = 2**63 - 1
    with speaking(language):
        views = [
            card_buttons(replace(a_reply("q", "a"), id=largest)),
            vote_buttons(BlindVote("r" * 60, largest, "q", "a", "b")),
        ]
        made = [ReasonMenu(largest, ("newest", largest)), SetupChannel(), SetupRole(), SetupStep("persona")]
        made += [SetupStep("consent"), StopButton(largest), RegenerateButton(), ContinueButton()]
        for item in [*made, *(one for view in views for one in view.children)]:
            sent = item.to_component_dict()
            assert len(sent.get("custom_id") or "") <= 100
            assert len(sent.get("label") or "") <= 80
            assert len(sent.get("placeholder") or "") <= 150
            for option in sent.get("options") or ():
                assert 1 <= len(option["label"]) <= 100
                assert len(option["value"]) <= 100
            assert len(sent.get("options") or ()) <= 25


def test_what_is_offered_while_typing_can_be_sent_back():
    """25 at most, none empty, none too long."""
    assert limits.choices(["", "x" * 101, *map(str, range(40))]) == [str(number) for number in range(25)]


async def test_a_wall_of_line_breaks_leaves_the_queue_alive(stage):
    """One member's message used to end /review for all moderators."""
    await stage.ask("Which wood?")
    turns = '[{"role": "user", "content": "' + "\\n" * 3900 + 'end", "author_id": 5}]'
    await stage.app.store.call(lambda held: held._db.execute("update replies set turns = ?", [turns]) and None)
    result = await stage.world.moderator.slash(stage.world.general, "review")
    assert result.response.embeds[0].title == words.queue_title(1, "newest")


async def test_status_and_history_after_a_long_reason(stage):
    """A gate's reason can be longer than a field."""
    for number in range(10):
        run = await stage.app.store.call(Store.start_run, "manual", f"2026-11-{number + 10}", 1, {})
        await stage.app.store.call(Store.finish_run, run.id, "failed", f"{number} " + "because " * 400)
    result = await stage.ada.slash(stage.world.general, "status")
    assert result.response.embeds[0].title == texts.STATUS_TITLE
    result = await stage.world.moderator.slash(stage.world.general, "train history")
    assert "because" in result.response.embeds[0].description


async def test_an_export_that_is_larger_than_a_file_comes_in_parts(stage, monkeypatch):
    """Put together in their order they are the whole."""
    await stage.ask("What about my tea?")
    monkeypatch.setattr("bot.privacy.commands._PART", 200)
    result = await stage.ada.slash(stage.world.general, "privacy export")
    sent = [one for one in (result.response, *result.followups) if one and one.attachments]
    parts = sorted({file.filename: file for one in sent for file in one.attachments}.items())
    assert len(parts) > 1
    whole = b"".join([await file.read() for _, file in parts])
    assert "my tea" in whole.decode()
