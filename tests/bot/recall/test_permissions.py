"""Whatever roles, channels and threads a server has: nobody is shown words from where they may not read.

A random server is built in the simulated Discord, something is approved in each of its channels and threads, and every
member asks everywhere they can. Discord's own permissions, asked of each reader by themselves, say what was allowed.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import discord
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from bot.app import Nightshift
from bot.discord_io.ids import places_of
from bot.recall.audience import Audience
from bot.recall.records import Question
from bot.settings import load_settings
from bot.simulation.server import simulate, simulated
from storage.files.home import Home
from storage.recall_records import NewChunk, NewDocument
from storage.reply_records import NewReply, Turn
from tests.bot.conftest import no_training
from tests.fake_engine import FakeEngine

SEEN = discord.PermissionOverwrite(view_channel=True, read_message_history=True)
QUESTION = "When does the weekly raid begin?"
sight = st.sampled_from([None, None, True, False])
servers = st.lists(
    st.fixed_dictionaries(
        {
            "everyone": sight,
            "roles": st.lists(sight, min_size=2, max_size=2),
            "member": st.tuples(st.integers(0, 2), sight),
            "threads": st.lists(st.booleans(), max_size=2),  # whether each is private
        }
    ),
    min_size=1,
    max_size=3,
)
worlds = st.tuples(servers, servers, st.lists(st.sets(st.integers(0, 1)), min_size=3, max_size=3))


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(worlds)
def test_nothing_is_shown_from_where_a_reader_may_not_read(world):
    """Two servers with the same members, of which each shows its own words only."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(world, Path(folder)))


async def live(world, root):
    here, there, roles_of = world
    home = Home(root / "home").ensure()
    config = simulated(load_settings(home))
    config = config.model_copy(update={"memory": replace(config.memory, examples=20, chunks=20)})
    async with (
        Nightshift.open(home, config, engine=FakeEngine(), train=no_training) as app,
        simulate(app.client, settle_timeout=30.0) as sim,
    ):
        people = [sim.env.create_user(f"p{number}") for number in range(3)]
        built = [
            await build(app, sim, f"S{number}", (plan, people, roles_of)) for number, plan in enumerate((here, there))
        ]
        origin = {}
        for guild, places in built:
            for place in places:
                await app.store.call(add_words, guild.id, place.id)
                origin |= {f"At {place.id}.": place, f"The raid begins weekly at {place.id}.": place}
        shown = 0
        for guild, places in built:
            members = [await guild.fetch_member(person.id) for person in people]
            for place in places:
                for asker in [one for one in members if await reads(one, place)]:
                    found = await ask(app, asker, place)
                    for text in found:
                        source = origin[text]
                        assert source.guild.id == guild.id
                        for reader in [one for one in members if await reads(one, place)]:
                            assert source == place or await reads(reader, source), (
                                reader.name,
                                place.name,
                                source.name,
                            )
                    assert len([text for text in found if origin[text] == place]) == 2  # what was said here is shown
                    shown += len(found)
        note(f"{shown} shown")


async def build(app, sim, name, wanted):
    """A server by its plan, as the bot sees it, and its channels and threads."""
    plan, people, roles_of = wanted
    made = sim.env.create_guild(name)
    roles = [made.create_role(f"r{number}") for number in range(2)]
    members = [
        made.add_member(person, roles=[roles[one] for one in theirs])
        for person, theirs in zip(people, roles_of, strict=True)
    ]
    for number, one in enumerate(plan):
        targets = [made.default_role, *roles, members[one["member"][0]]]
        said = [one["everyone"], *one["roles"], one["member"][1]]
        overwrites = {
            target: discord.PermissionOverwrite(view_channel=allowed)
            for target, allowed in zip(targets, said, strict=True)
            if allowed is not None
        }
        made.create_text_channel(f"c{number}", overwrites={**overwrites, app.client.user: SEEN})
    await sim.env.settle()
    guild = app.client.get_guild(made.id)
    places = list(guild.text_channels)
    for channel, one in zip(guild.text_channels, plan, strict=True):
        for count, private in enumerate(one["threads"]):
            kind = discord.ChannelType.private_thread if private else discord.ChannelType.public_thread
            places.append(await channel.create_thread(name=f"t{count}", type=kind))
    return guild, places


def add_words(store, guild_id, place_id):
    """An approved reply of a place, and a document that its readers may be shown."""
    reply = NewReply(
        source="discord",
        conversation=f"discord:{place_id}:1",
        turns=(Turn("user", QUESTION, 5, place_id + 1),),
        text=f"At {place_id}.",
        adapter=None,
        base_model="tiny",
        guild_id=guild_id,
        channel_id=place_id,
        asker_id=5,
    )
    store.set_consent(5, True)
    store.add_review(store.add_reply(reply), "approve", reviewer="mo")
    pins = NewDocument(guild_id=guild_id, title="Pins", kind="pins", added_by="mo", channel_id=place_id)
    store.add_document(pins, [NewChunk(f"The raid begins weekly at {place_id}.")])


async def reads(member, place):
    """Whether one person reads one place, as Discord says; a private thread has no members here."""
    if isinstance(place, discord.Thread):
        return not place.is_private() and await reads(member, place.parent)
    theirs = place.permissions_for(member)
    return theirs.view_channel and theirs.read_message_history


async def ask(app, asker, place):
    """The texts that a member's question would be shown there."""
    audience = Audience(app.client.moderators.readers, asker, place)
    question = Question(QUESTION, place.guild.id, places_of(place), audience.may_be_shown)
    found = await app.memory.recall(question)
    return [*(one.found.answer for one in found.examples), *(one.found.text for one in found.chunks)]
