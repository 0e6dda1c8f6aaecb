"""Commands whose questions take longer than Discord waits: bot/discord_io/deferral.py, and the store's reader."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bot.discord_io import deferral
from bot.i18n.en import knowledge, texts
from bot.i18n.en import moderation as words
from storage.async_store import AsyncStore
from storage.origins import ORIGINS
from storage.store import Store
from tests.storage.conftest import a_reply


@pytest.fixture
def slow(stage, monkeypatch):
    """Every look at the store takes longer than a command waits before it defers."""

    async def never(_work):
        return False

    monkeypatch.setattr(deferral, "_is_quick", never)  # the simulated clock stands still while something is read
    return stage


async def test_a_slow_status_is_answered_all_the_same(slow):
    """Privately, in the place of the sign that it is being worked on."""
    result = await slow.ada.slash(slow.world.general, "status")
    assert result.response.ephemeral
    assert result.response.embeds[0].title == texts.STATUS_TITLE


async def test_a_slow_queue_works_from_page_to_page(slow):
    """The first card, a verdict, and going on."""
    for number in (1, 2, 3):
        await slow.ask(f"Question {number}?")
    result = await slow.world.moderator.slash(slow.world.general, "review")
    page = result.response
    assert "Question 3?" in page.embeds[0].description
    await slow.world.moderator.click(page, label=words.SKIP)
    assert "Question 2?" in page.embeds[0].description
    await slow.world.moderator.click(page, label=texts.APPROVE)
    assert "Question 1?" in page.embeds[0].description
    assert (await slow.app.store.call(Store.counts, learn_from=ORIGINS)).approved == 1


async def test_what_was_looked_up_takes_no_cards_place(slow):
    """However long it takes: the moderator alone reads it, and the card stays."""
    rules = ("rules.md", b"The weekly raid begins at eight.")
    await slow.world.moderator.slash(slow.world.general, "knowledge add", file=rules)
    await slow.ask("When does the weekly raid begin?")
    card, before = slow.card, slow.card.embeds[0].to_dict()
    said = await slow.world.moderator.click(card, label=knowledge.SHOW)
    shown = (said.followups or [said.response])[-1]
    assert "begins at eight" in str(shown.embeds[0].to_dict())
    assert shown.ephemeral
    assert slow.card.embeds[0].to_dict() == before


async def test_slow_answers_about_a_member_and_pairs_come_too(slow):
    """/privacy status, /privacy forget, /stats and a search that finds nothing."""
    await slow.ask("What about my tea?")
    assert "1" in (await slow.ada.slash(slow.world.general, "privacy status")).response.content
    forget = await slow.ada.slash(slow.world.general, "privacy forget")
    await slow.ada.click(forget.response, label=texts.FORGET_YES)
    assert (await slow.app.store.call(Store.reply, 1)).redacted
    assert (await slow.world.moderator.slash(slow.world.general, "stats")).response.content == words.STATS_NONE
    result = await slow.world.moderator.slash(slow.world.general, "pairs search", text="zebra")
    said = [one.content for one in (result.response, *result.followups) if one is not None]
    assert words.NO_PAIRS in said


async def test_a_long_question_keeps_no_answer_from_being_stored(tmp_path):
    """It has a thread and a connection of its own, and sees what was written before."""
    async with await AsyncStore.open(tmp_path / "nightshift.db") as store:
        first = await store.call(Store.add_reply, a_reply("before"))

        begun, stored = threading.Event(), threading.Event()

        def long(held):
            begun.set()
            stored.wait(10)
            return held.reply(first).id

        looking = asyncio.create_task(store.read(long))
        await asyncio.to_thread(begun.wait, 10)
        await store.call(Store.add_reply, a_reply("meanwhile"))
        assert not looking.done()
        stored.set()
        assert await looking == first
        assert (await store.read(Store.counts, learn_from=ORIGINS)).pending == 2
