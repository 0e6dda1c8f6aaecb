"""From the history to the turns shown, without Discord: bot/chat/context.py."""

from __future__ import annotations

from dataclasses import replace

from bot.chat.context import (
    Context,
    HistoryMessage,
    Names,
    compose,
    messages,
    name_prefix_length,
    plain_text,
)
from bot.chat.window import TokenBudget, WindowStarts
from bot.i18n.en import texts
from model.chat import Message
from storage.reply_records import Turn

ME = 1
NAMES = Names(users={7: "Ada"}, roles={8: "Carvers"}, channels={9: "tools"})


def composed(
    heard: list[HistoryMessage], most: int = 100, root: int = 10, starts: WindowStarts | None = None
) -> Context:
    """The context of these messages where `most` of them fit."""
    starts = starts or WindowStarts()
    return compose(heard, channel_id=2, root=root, budget=TokenBudget(len, most), starts=starts)


def ada(text: str, message_id: int = 10) -> HistoryMessage:
    return HistoryMessage(message_id, 7, "Ada", text)


def ben(text: str, message_id: int = 11) -> HistoryMessage:
    return HistoryMessage(message_id, 6, "Ben", text)


def ours(text: str, message_id: int = 12) -> HistoryMessage:
    return HistoryMessage(message_id, ME, "Nightshift", text, ours=True)


def test_plain_text_reads_as_a_person_does():
    """Ids become names, custom emoji their names, and the bot's own mention disappears."""
    content = "<@1> ask <@!7> or <@&8> in <#9> <a:wave:123>"
    assert plain_text(content, NAMES, me=ME) == "ask @Ada or @Carvers in #tools :wave:"


def test_plain_text_without_names_leaks_no_ids():
    """What cannot be named is called by its kind."""
    assert plain_text("<@5> <@&5> <#5>", NAMES, me=ME) == "@someone @role #channel"


def test_plain_text_closes_the_gap_the_mention_leaves():
    """A mention at the end or in the middle leaves no stray blank or comma; line breaks stay."""
    assert plain_text("Tell me, <@1>", NAMES, me=ME) == "Tell me"
    assert plain_text("hey <@1> how\nare you?", NAMES, me=ME) == "hey how\nare you?"


def test_plain_text_keeps_code_indented():
    """Blanks at the start of a line mean something."""
    assert plain_text("```\n    x = 1\n```", NAMES, me=ME) == "```\n    x = 1\n```"


def test_a_typed_name_calls_the_bot():
    """The name with an @ at the start of a message calls, in any case; elsewhere it does not."""
    assert name_prefix_length("@nightshift, are you there?", "Nightshift") == len("@nightshift, ")
    assert name_prefix_length("@Nightshift", "Nightshift") == len("@Nightshift")
    assert not name_prefix_length("ask @Nightshift", "Nightshift")
    assert not name_prefix_length("@Nightshifters", "Nightshift")
    assert not name_prefix_length("Nightshift is over", "Nightshift")


def test_turns_carry_authors_and_message_ids():
    """People's turns name their author; the bot's own do not."""
    context = composed([ada("Why?"), ours("Because."), ada("Really?", 13)])
    assert context.turns == (
        Turn("user", "Why?", 7, 10),
        Turn("assistant", "Because.", None, 12),
        Turn("user", "Really?", 7, 13),
    )
    assert context.conversation == "discord:2:10"


def test_each_message_of_the_bot_is_a_turn_of_its_own():
    """Two neighbours may answer two people; whoever withdraws their words must find the one that was for them."""
    heard = [ada("Why?"), replace(ours("One."), message_id=21), replace(ours("Two."), message_id=22), ada("So?")]
    context = composed(heard)
    assert [(turn.content, turn.message_id) for turn in context.turns[1:3]] == [("One.", 21), ("Two.", 22)]


def test_how_learning_works_is_not_the_bot_s_words():
    """The line below a first answer is gone when the answer is read again."""
    heard = [ada("One?"), ours("Yes." + texts.introduction(operator_consents=False)), ada("Two?")]
    context = composed(heard)
    assert [turn.content for turn in context.turns] == ["One?", "Yes.", "Two?"]


def test_names_are_counted_after_forgetting():
    """When the second speaker's message does not fit, the remaining speaker needs no name."""
    context = composed([ben("Long ago"), ada("Now?")], 1)
    assert context.turns == (Turn("user", "Now?", 7, 10),)


def test_the_question_is_kept_even_if_it_alone_is_too_long():
    """Whether it can be answered is for the engine to say."""
    context = composed([ben("a"), ada("b")], 0)
    assert [turn.content for turn in context.turns] == ["b"]


def test_notices_are_not_the_bot_s_words():
    """A failure message disappears; the text before it remains."""
    heard = [ada("One?"), ours(texts.FAILED), ada("Two?"), ours(f"Half an\n{texts.FAILED}"), ada("Three?")]
    context = composed(heard)
    assert [turn.content for turn in context.turns] == ["One?", "Two?", "Half an", "Three?"]


def test_without_a_person_s_words_there_is_nothing_to_answer():
    """Empty messages and the bot's own make no question."""
    assert composed([ours("Hello."), ada("")]) is None


def test_an_empty_question_points_at_the_message_it_replies_to():
    """Mentioning the bot in an otherwise empty reply asks about the message replied to."""
    context = composed([ben("Is oak hard?"), ada("")], root=11)
    assert context.turns == (Turn("user", "Is oak hard?", 6, 11),)


def test_the_persona_comes_first_unless_a_system_turn_does():
    """One system turn at most, the stored one before the configured one."""
    turn = Turn("user", "Hi")
    assert messages((turn,), "Be kind.") == [Message("system", "Be kind."), Message("user", "Hi")]
    stored = Turn("system", "Be brief.")
    assert messages((stored, turn), "Be kind.")[0] == Message("system", "Be brief.")
