"""That anybody may invite the bot is said once."""

from __future__ import annotations

from types import SimpleNamespace

from bot.server.public_bot import mention_public_bot


async def test_a_public_bot_is_mentioned_once_with_the_way_to_switch_it_off(stage, caplog):
    """With the address of this very application; a second start says nothing."""
    application = SimpleNamespace(id=4711, bot_public=True)
    assert await mention_public_bot(stage.app.store, application)
    assert "applications/4711" in caplog.text
    assert "Public Bot off" in caplog.text
    assert not await mention_public_bot(stage.app.store, application)


async def test_nothing_is_said_of_a_bot_that_only_its_owner_can_invite(stage, caplog):
    """Nor before Discord has told."""
    assert not await mention_public_bot(stage.app.store, SimpleNamespace(id=4711, bot_public=False))
    assert not await mention_public_bot(stage.app.store, None)
    assert "Public Bot" not in caplog.text
