"""/settings profile: the bot's own name, avatar and banner on one server."""

from __future__ import annotations

import discord
import pytest

from bot.i18n.en import settings as texts
from bot.server.profile import LARGEST_IMAGE
from storage.store import Store

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def boss(stage):
    """Somebody who may manage the server."""
    role = stage.world.guild.create_role("Boss", permissions=discord.Permissions(manage_guild=True))
    return stage.world.guild.add_member(stage.env.create_user("boss", global_name="Bo"), roles=[role])


@pytest.fixture
def sent(stage, monkeypatch):
    """What Discord is asked to change of the bot's own member; SimCord itself knows no pictures."""
    found = []

    async def edit_my_member(guild_id, *, reason=None, **fields):
        found.append({"guild": guild_id, **fields})
        raise discord.HTTPException(_Refusal(), {"code": 50035, "message": "Invalid Form Body"})

    monkeypatch.setattr(stage.app.client.http, "edit_my_member", edit_my_member)
    return found


class _Refusal:
    status, reason = 400, "Bad Request"


async def test_a_name_of_its_own(stage, boss):
    """On this server alone, and in the audit."""
    told = await boss.slash(stage.world.general, "settings profile", name="Sparky")
    assert told.response.content == texts.PROFILE_SET
    assert stage.env.backend.get_member(stage.world.guild.id, stage.app.client.user.id).nick == "Sparky"
    acts = await stage.app.store.call(Store.audit_search, guild_id=stage.world.guild.id)
    assert ("settings.profile", "name") in [(act.action, act.subject) for act in acts]


async def test_pictures_are_passed_on_and_a_refusal_is_said(stage, boss, sent):
    """As Discord wants them; what it does not take is no fault."""
    picture = ("face.png", PNG + b"0" * 20)
    told = await boss.slash(stage.world.general, "settings profile", avatar=picture)
    assert told.response.content == texts.PROFILE_NOT_TAKEN
    assert sent[0]["guild"] == stage.world.guild.id
    assert sent[0]["avatar"].startswith("data:image/png;base64,")


async def test_nothing_given_is_as_everywhere(stage, boss, sent):
    """All three go back."""
    await boss.slash(stage.world.general, "settings profile")
    assert sent == [{"guild": stage.world.guild.id, "nick": "", "avatar": None, "banner": None}]


@pytest.mark.parametrize(
    ("name", "content"),
    [("face.png", b"MZ, a program"), ("face.png", PNG + b"0" * LARGEST_IMAGE)],
    ids=["no picture", "too large"],
)
async def test_what_is_no_picture_is_refused(stage, boss, sent, name, content):
    """Before anything is changed."""
    told = await boss.slash(
        stage.world.general,
        "settings profile",
        name="Sparky",
        banner=(name, content),
    )
    assert told.response.content == texts.profile_image(8)
    assert sent == []
