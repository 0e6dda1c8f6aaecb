"""/knowledge and *Save as fact*: what moderators add is found by the next question and named below the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.i18n.en import knowledge as texts
from model.chat import Message
from storage.store import Store
from tests.bot.conftest import kept_open
from tests.bot.privacy.test_commands import bytes_of, forget

RULES = b"# House rules\n\nWelcome.\n\n## Raids\n\nThe weekly raid begins at eight by the old oak.\n"
QUESTION = "When does the weekly raid begin?"


@pytest.fixture
async def stage(open_stage):
    """Without the history of the channel."""
    async for opened in kept_open(open_stage(discord={"context_messages": 0})):
        yield opened


async def add(stage, **options):
    return await stage.world.moderator.slash(stage.world.general, "knowledge add", **options)


async def pinned(stage, who, text):
    """A message that is pinned."""
    message = await who.send(stage.world.general, text)
    await stage.app.client.get_channel(stage.world.general.id).get_partial_message(message.id).pin()
    return message


def words(said):
    """What a moderator was told."""
    return "\n".join(one.content for one in (said.response, *said.followups) if one is not None)


def prompt(stage):
    """What the model was shown before the last question."""
    return "\n".join(one.content for one in stage.engine.seen[-1][:-1])


async def test_a_file_is_looked_up_by_the_next_question_and_named_below_the_answer(stage):
    """With a link to the message that holds it."""
    await add(stage, file=("rules.md", RULES))
    posted = stage.world.general.last_message
    url = f"https://discord.com/channels/{stage.world.guild.id}/{stage.world.general.id}/{posted.id}"
    stage.engine.say("It begins at eight.")
    answer = await stage.ask(QUESTION)
    system = stage.engine.seen[-1][0]
    assert system.role == "system"
    assert "From House rules - House rules > Raids:\n> The weekly raid begins at eight by" in system.content
    assert answer.content == f"It begins at eight.{texts.SOURCE}[House rules](<{url}>)"
    assert posted.attachments[0].filename == "rules.md"


async def test_an_answer_without_a_document_names_none(stage):
    """A question about something else."""
    await add(stage, file=("rules.md", RULES))
    stage.engine.say("Michelangelo.")
    assert (await stage.ask("Who painted that ceiling?")).content == "Michelangelo."
    assert prompt(stage) == ""


async def test_the_source_is_no_part_of_the_conversation(stage):
    """Whoever replies to the answer shows the model its words alone."""
    await add(stage, file=("rules.md", RULES), title="Rules", link="https://example.org/rules")
    stage.engine.say("It begins at eight.")
    answer = await stage.ask(QUESTION)
    assert answer.content.endswith("[Rules](<https://example.org/rules>)")
    await stage.ben.send(stage.world.general, f"{stage.me} Really?", reply_to=answer)
    assert Message("assistant", "It begins at eight.") in stage.engine.seen[-1]


async def test_regenerate_names_the_sources_of_the_new_answer(stage):
    """Once, in place of the old ones."""
    await add(stage, file=("rules.md", RULES))
    stage.engine.say("It begins at eight.", "At eight, by the oak.")
    answer = await stage.ask(QUESTION)
    await stage.ada.click(answer, label="Regenerate")
    now = stage.world.general.last_message.content
    assert now.startswith("At eight, by the oak.")
    assert now.count(texts.SOURCE) == 1


async def test_a_message_is_added_by_its_link_and_read_again(stage):
    """After it was edited."""
    said = await stage.ben.send(stage.world.general, "The weekly raid begins at eight.")
    await add(stage, message=said.jump_url)
    await stage.ask(QUESTION)
    assert "> The weekly raid begins at eight." in prompt(stage)
    await stage.ben.edit(said, "The weekly raid begins at nine.")
    told = await stage.world.moderator.slash(stage.world.general, "knowledge refresh", document="raid")
    assert "again" in told.response.content
    await stage.ask(QUESTION)
    assert "> The weekly raid begins at nine." in prompt(stage)
    assert b"begins at eight" not in bytes_of(stage)


async def test_a_deleted_message_is_a_document_no_more(stage):
    """Its author took it back, or was forgotten."""
    for act in ("delete", "forget"):
        said = await stage.ben.send(stage.world.general, "The zq12345x raid begins at eight.")
        await add(stage, message=said.jump_url)
        await (stage.ben.delete(said) if act == "delete" else forget(stage, stage.ben))
        await stage.ask(QUESTION)
        assert prompt(stage) == ""
        assert b"zq12345x" not in bytes_of(stage)


async def test_forgotten_words_are_not_stored_again(stage):
    """Though Discord still has them: by a link, with the pins, when the pins are read again, or as a fact."""
    said = await pinned(stage, stage.ben, "The zq12345x raid begins at eight.")
    await pinned(stage, stage.ada, "No spoilers before Sunday.")
    await add(stage, pins=stage.world.general)
    form = await stage.world.moderator.context_menu(stage.world.general, texts.SAVE_AS_FACT, said)
    await forget(stage, stage.ben)
    told = [await add(stage, message=said.jump_url), await add(stage, pins=stage.world.general)]
    told.append(await stage.world.moderator.slash(stage.world.general, "knowledge refresh", document="1"))
    told.append(await stage.world.moderator.submit_modal(form, {"fact": "The zq12345x raid begins at eight."}))
    assert texts.WITHHELD in words(told[0])
    assert "1 part" in words(told[1])
    assert "1 part" in words(told[2])
    assert texts.WITHHELD in words(told[3])
    assert b"zq12345x" not in bytes_of(stage)
    later = await pinned(stage, stage.ben, "It starts at nine now.")
    assert "document" in words(await add(stage, message=later.jump_url))


async def test_an_answer_to_forgotten_words_is_not_stored_again(stage):
    """The bot's own message is not the person's, but holds what they said."""
    stage.engine.say("You like zq12345x, Ben.")
    answer = await stage.ask("I like zq12345x.", who=stage.ben)
    await forget(stage, stage.ben)
    assert texts.WITHHELD in words(await add(stage, message=answer.jump_url))
    assert b"zq12345x" not in bytes_of(stage)


async def test_refresh_reads_the_message_and_not_the_link_that_a_moderator_chose(stage):
    """A link to a hidden message would show its words to everybody who reads the public one."""
    public = await stage.ben.send(stage.world.general, "The weekly raid begins at eight.")
    secret = await stage.world.moderator.send(stage.world.review, "The weekly raid is against Kim.")
    await add(stage, message=public.jump_url, link=secret.jump_url)
    await stage.ben.edit(public, "The weekly raid begins at nine.")
    assert "again" in words(await stage.world.moderator.slash(stage.world.general, "knowledge refresh", document="1"))
    await stage.ask(QUESTION)
    assert "begins at nine" in prompt(stage)
    assert "Kim" not in prompt(stage)


async def test_a_message_that_is_deleted_while_the_form_is_open_becomes_no_fact(stage):
    """Its author took it back."""
    said = await stage.ben.send(stage.world.general, "raid's at 8 btw")
    form = await stage.world.moderator.context_menu(stage.world.general, texts.SAVE_AS_FACT, said)
    await stage.ben.delete(said)
    told = await stage.world.moderator.submit_modal(form, {"fact": "The weekly raid begins at eight."})
    assert texts.MESSAGE_GONE in words(told)
    assert await stage.app.store.call(Store.documents, stage.world.guild.id) == []


async def test_pinned_messages_are_read(stage):
    """Each with its author, so that it goes with them."""
    for text in ("The weekly raid begins at eight.", "No spoilers before Sunday."):
        await pinned(stage, stage.ben, text)
    await add(stage, pins=stage.world.general)
    await stage.ask(QUESTION)
    assert "> The weekly raid begins at eight." in prompt(stage)
    (document,) = await stage.app.store.call(Store.documents, stage.world.guild.id)
    assert (document.title, document.chunks) == ("#general", 2)


async def test_a_document_of_a_hidden_channel_is_shown_there_alone(stage):
    """As examples are."""
    said = await stage.world.moderator.send(stage.world.review, "The weekly raid begins at eight.")
    await add(stage, message=said.jump_url)
    for asker in (stage.ada, stage.world.moderator):
        await stage.ask(QUESTION, who=asker)
        assert prompt(stage) == ""
    await stage.ask(QUESTION, who=stage.world.moderator, channel=stage.world.review)
    assert "> The weekly raid begins at eight." in prompt(stage)


async def test_a_message_is_saved_as_a_fact(stage):
    """With the words that the moderator makes of it."""
    said = await stage.ben.send(stage.world.general, "raid's at 8 btw")
    form = await stage.world.moderator.context_menu(stage.world.general, texts.SAVE_AS_FACT, said)
    await stage.world.moderator.submit_modal(form, {"fact": "The weekly raid begins at eight."})
    stage.engine.say("At eight.")
    answer = await stage.ask(QUESTION)
    assert answer.content == f"At eight.{texts.SOURCE}[The weekly raid begins at eight.](<{said.jump_url}>)"


async def test_a_removed_document_is_gone(stage):
    """To the last byte; the audit says who did it."""
    await add(stage, file=("rules.md", RULES))
    await stage.world.moderator.slash(stage.world.general, "knowledge remove", document="1")
    await stage.ask(QUESTION)
    assert prompt(stage) == ""
    assert b"old oak" not in bytes_of(stage)
    acts = [one.action for one in await stage.app.store.call(Store.audit_search)]
    assert acts == ["knowledge.remove", "knowledge.add"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [("   ", texts.GONE), ("rules", texts.NAME_ONE), ("7", texts.GONE), ("guild rules", None), ("2", None)],
)
async def test_a_document_is_removed_only_if_it_alone_is_meant(stage, wanted, told):
    """By its number, its title, or a part that no other title has."""
    for title in ("Guild rules", "Rules of 7 raids", "Guild rules of old"):
        await add(stage, file=("rules.md", RULES), title=title, link="https://a.example")
    said = await stage.world.moderator.slash(stage.world.general, "knowledge remove", document=wanted)
    left = [one.title for one in await stage.app.store.call(Store.documents, stage.world.guild.id)]
    assert len(left) == (3 if told else 2)
    assert told is None or told in words(said)
    assert wanted != "guild rules" or "Guild rules" not in left
    assert wanted != "2" or "Rules of 7 raids" not in left


@pytest.mark.parametrize(
    ("file", "told"),
    [(("a.md", b" \n"), texts.EMPTY), (("a.pdf", b"x"), texts.UNREADABLE), (("a.md", b"x" * 100), texts.FULL)],
)
async def test_a_file_that_is_refused_is_not_posted(open_stage, settings, file, told):
    """And only the moderator is told so."""
    small = settings.model_copy(update={"memory": replace(settings.memory, server_characters=50)})
    async with open_stage(base=small) as stage:
        said = await add(stage, file=file)
        assert told in words(said)
        assert all(one.ephemeral for one in (said.response, *said.followups) if one is not None)
        assert not list(stage.world.general.history())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, texts.CHOOSE_ONE),
        ({"file": ("a.md", b"x"), "message": "y"}, texts.CHOOSE_ONE),
        ({"file": ("a.exe", b"x")}, texts.KIND_UNKNOWN),
        ({"file": ("a.pdf", b"x"), "link": "https://a.example"}, texts.UNREADABLE),
        ({"file": ("a.txt", b" \n"), "link": "https://a.example"}, texts.EMPTY),
        ({"file": ("a.md", b"x"), "link": "javascript:alert(1)"}, texts.LINK_INVALID),
        ({"message": "https://discord.com/channels/1/2/3"}, texts.NO_LINK),
    ],
)
async def test_what_cannot_be_added_is_refused_in_a_sentence(stage, options, told):
    """And nothing is stored."""
    said = await add(stage, **options)
    assert told in words(said)
    assert await stage.app.store.call(Store.documents, stage.world.guild.id) == []


async def test_try_shows_what_a_question_finds(stage):
    """With score and cost, to the moderator alone."""
    await add(stage, file=("rules.md", RULES))
    said = await stage.world.moderator.slash(stage.world.general, "knowledge try", question=QUESTION)
    (embed,) = (said.followups or [said.response])[-1].embeds
    assert embed.title == texts.TRY_TITLE
    assert embed.fields[0].name.startswith("0.80")
    assert "tokens" in embed.fields[0].name
    assert "old oak" in embed.fields[0].value


async def test_a_card_shows_what_was_looked_up(stage):
    """Also after the document was removed, by its number alone."""
    await add(stage, file=("rules.md", RULES))
    await stage.ask(QUESTION)
    assert "old oak" in (await looked_up(stage)).value
    await stage.world.moderator.slash(stage.world.general, "knowledge remove", document="1")
    assert (await looked_up(stage)).value == f"> {texts.SHOWN_GONE}"


async def test_a_card_names_nothing_from_a_channel_that_a_moderator_cannot_read(stage):
    """A title is the first line of what was said there."""
    channel = stage.world.guild.create_text_channel("plans")
    await stage.env.settle()
    said = await stage.ben.send(channel, "The weekly raid begins at eight.")
    await add(stage, message=said.jump_url)
    await stage.ask(QUESTION)
    assert "begins at eight" in str(await looked_up(stage))
    here = stage.app.client.get_guild(stage.world.guild.id)
    await here.get_channel(channel.id).set_permissions(here.default_role, view_channel=False)
    hidden = await looked_up(stage)
    assert hidden.name.endswith(texts.SHOWN_HIDDEN)
    assert hidden.value == f"> {texts.SHOWN_HIDDEN}"
    assert "raid" not in str(hidden)


async def looked_up(stage):
    """The only piece that a moderator is shown."""
    said = await stage.world.moderator.click(stage.card, label=texts.SHOW)
    (embed,) = (said.followups or [said.response])[-1].embeds
    (piece,) = embed.fields
    return piece
