"""/ask is shown the channel's messages only where its pair can be learned from with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.origins import LEARNED_BY_DEFAULT
from storage.store import Store

SAID = "The shed is green."


@pytest.fixture
def strict(settings):
    """Messages are not learned from, and members are asked: as Nightshift comes."""
    training = replace(settings.training, learn_from=LEARNED_BY_DEFAULT)
    return settings.model_copy(update={"training": training, "consent": "members"})


async def approved_ask(stage):
    """Ben says something, and Ada, who opted in, asks by command; the moderator approves the answer."""
    general = stage.world.general
    await stage.ben.send(general, SAID)
    await stage.ada.slash(general, "privacy opt-in")
    asked = (await stage.ada.slash(general, "ask", question="Which wood?")).response
    await stage.world.moderator.context_menu(general, "Approve", asked)


def shown(stage):
    """Whether the model was shown what Ben said."""
    return any(SAID in message.content for message in stage.engine.seen[-1])


async def test_by_default_the_pair_of_a_busy_channel_counts(open_stage, strict):
    """Only the question is shown, and Ada alone has to agree."""
    async with open_stage(base=strict) as stage:
        await approved_ask(stage)
        pairs = (await stage.app.status()).pairs
        assert (pairs.approved, pairs.eligible, pairs.excluded) == (1, 1, 0)
        assert not shown(stage)
        await stage.ask("Which glue?")
        assert shown(stage)


@pytest.mark.parametrize(("wanted", "seen"), [("always", True), ("never", False)])
async def test_the_setting_decides(open_stage, strict, wanted, seen):
    """Always: the pair waits, since the channel's messages are in it."""
    base = strict.model_copy(update={"consent": "operator"})
    async with open_stage(base=base, discord={"ask_history": wanted}) as stage:
        await approved_ask(stage)
        pairs = (await stage.app.status()).pairs
        assert (pairs.eligible, pairs.excluded) == ((0, 1) if seen else (1, 0))
        assert shown(stage) is seen


async def test_with_discord_s_permission_the_messages_are_shown(open_stage, strict):
    """They may be learned from then."""
    async with open_stage(base=strict) as stage:
        await stage.app.store.call(lambda store: store.permit_message_content(on=True))
        await approved_ask(stage)
        assert shown(stage)
        assert await stage.app.store.call(Store.message_content_permitted)


async def test_where_nothing_is_learned_the_messages_are_shown(open_stage, strict):
    """Leaving them out would gain nothing on a server that does not teach."""
    training = replace(strict.training, servers=(1,))
    async with open_stage(base=strict.model_copy(update={"training": training})) as stage:
        await approved_ask(stage)
        assert shown(stage)
