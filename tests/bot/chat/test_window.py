"""Where the context of an answer begins, message after message: bot/chat/window.py, and what uses it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest

from benchmarks.channel import talk as talk_in_channel
from bot.chat.context import HistoryMessage, compose
from bot.chat.window import TokenBudget, WindowStarts, in_steps
from bot.i18n.en import texts
from model.cache.prefix_cache import PrefixCache
from model.chat import encode_prompt
from tests.tiny import tiny_tokenizer


@dataclass(frozen=True)
class Sent:
    id: int


def windows(most: int, said: int, *, without: tuple[int, ...] = ()) -> list[list[int]]:
    """What is shown before each of the messages 1, 2, … `said`, oldest first; some are deleted after the twelfth."""
    starts, shown = WindowStarts(), []
    for question in range(2, said + 1):
        sent = [Sent(one) for one in range(1, question) if question < 13 or one not in without]
        newest_first = sent[::-1][:most]
        window = in_steps(newest_first, most, starts, full=len(newest_first) == most)
        shown.append([one.id for one in window[::-1]])
    return shown


def test_a_full_window_loses_its_older_half_and_grows_again():
    """At least half of the messages, at most all, always the newest, and no gap."""
    shown = windows(6, 20)
    assert [len(one) for one in shown] == [1, 2, 3, 4, 5, 3, 4, 5, 6, 3, 4, 5, 6, 3, 4, 5, 6, 3, 4]
    assert all(one == list(range(one[0], question)) for question, one in enumerate(shown, start=2))


def test_the_beginning_stays_while_the_window_grows():
    """That is what the engine can reuse."""
    firsts = [one[0] for one in windows(40, 200)]
    assert len(set(firsts)) <= 1 + 200 // 20
    assert firsts == sorted(firsts)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_short_window_is_at_least_half_full(most):
    """Down to a single message."""
    assert {len(one) for one in windows(most, 20)[most:]} <= set(range((most + 1) // 2, most + 1))


def test_a_window_whose_first_message_was_deleted_begins_anew():
    """What was deleted is not shown, and what is shown is what was said last."""
    for shown in windows(6, 20, without=(10,))[11:]:
        assert 10 not in shown
        assert len(shown) >= 3


def chat(said: int) -> list[HistoryMessage]:
    return [HistoryMessage(one, one % 3, f"N{one % 3}", f"words {one}") for one in range(1, said + 1)]


def contexts(most: int, said: int) -> list[list[int]]:
    """The ids shown for each question where a message takes one token and `most` of them fit."""
    starts, budget = WindowStarts(), TokenBudget(len, most)
    found = [
        compose(chat(question), channel_id=1, root=1, budget=budget, starts=starts) for question in range(1, said + 1)
    ]
    return [[turn.message_id for turn in one.turns] for one in found]


def test_a_full_budget_loses_its_older_half_too():
    """Tokens are counted where messages are long."""
    shown = contexts(8, 30)
    assert [len(one) for one in shown[:16]] == [1, 2, 3, 4, 5, 6, 7, 8, 8, 4, 5, 6, 7, 8, 4, 5]
    assert all(one == list(range(one[0], question + 1)) for question, one in enumerate(shown, start=1))


def test_a_question_that_leaves_no_room_is_shown_alone():
    """The engine says whether it can be answered."""
    assert contexts(1, 4)[-1] == [4]
    assert contexts(0, 4)[-1] == [4]


def test_old_beginnings_are_forgotten():
    """A bot runs for years."""
    starts = WindowStarts()
    for one in range(10_000):
        starts.add(one)
    assert 0 not in starts
    assert 9_999 in starts


async def talk(stage, rounds: int) -> None:
    """Two members and the bot by turns, each with words of their own."""
    for number in range(rounds):
        await stage.ada.send(stage.world.general, f"Ada's news {number}")
        await stage.ask(f"Ben asks {number}", who=stage.ben)


def shown_text(stage, answer: int) -> str:
    """The prompt of an answer as one text, up to the words that the model should write."""
    return "\n".join(f"<{one.role}>{one.content}" for one in stage.engine.seen[answer])


async def test_a_channel_s_prompts_begin_with_the_one_before(open_stage):
    """With the persona first, speakers named, answers included; only where the window moves is it another beginning."""
    async with open_stage(discord={"context_messages": 12}) as stage:
        await talk(stage, 12)
        prompts = [shown_text(stage, answer) for answer in range(12)]
        went_on = [later.startswith(earlier) for earlier, later in pairwise(prompts[1:])]
        assert went_on.count(False) <= 4
        assert all("<user>Ada: Ada's news" in prompt for prompt in prompts)
        assert all(f"Ben: Ben asks {number}" in prompt for number, prompt in enumerate(prompts))
        assert all("You said" in prompt for prompt in prompts[1:])


async def test_a_deleted_message_leaves_the_window(open_stage):
    """Also the one that the window began with."""
    async with open_stage(discord={"context_messages": 12}) as stage:
        await talk(stage, 5)
        first = await stage.ada.send(stage.world.general, "A secret")
        await talk(stage, 3)
        assert "A secret" in shown_text(stage, -1)
        await stage.ada.delete(first)
        await talk(stage, 1)
        assert "A secret" not in shown_text(stage, -1)


async def test_a_forgotten_member_leaves_the_window(open_stage):
    """The others' words stay, and so does the beginning where it was theirs."""
    async with open_stage(discord={"context_messages": 12}) as stage:
        await talk(stage, 5)
        asked = await stage.ada.slash(stage.world.general, "privacy forget")
        await stage.ada.click(asked.response.message, label=texts.FORGET_YES)
        await stage.ask("and now?", who=stage.ben)
        assert "Ada" not in shown_text(stage, -1)
        assert "Ben asks 4" in shown_text(stage, -1)


async def test_a_long_chain_of_replies_begins_alike_too(stage):
    """Beyond twenty messages its older half is dropped, and it grows again."""
    answer = await stage.ask("question 0")
    for number in range(1, 24):
        answer = await stage.ask(f"question {number}", reply_to=answer)
    prompts = [shown_text(stage, number) for number in range(24)]
    went_on = [later.startswith(earlier) for earlier, later in pairwise(prompts)]
    assert went_on.count(False) in (2, 3)
    assert all(f"question {number}" in prompt for number, prompt in enumerate(prompts))
    assert all(f"question {number - 4}" in prompt for number, prompt in enumerate(prompts) if number >= 4)


async def test_most_of_a_replayed_channel_s_prompts_is_not_computed_again(open_stage):
    """Two hundred messages of five members, the bot among them, with the settings as they come.

    The tokens of the prompts that the bot makes go through the engine's own prefix cache.
    """
    tokenizer, cache, reused, asked = tiny_tokenizer(), PrefixCache(8), 0, 0
    async with open_stage() as stage:
        stage.engine.context_tokens = 2048
        await talk_in_channel(stage.world, stage.me, 200)
    for shown in stage.engine.seen:
        prompt = encode_prompt(tokenizer, shown)
        place = cache.place(prompt, "a", range(8))
        cache.keep(place.target, prompt, len(prompt), "a")
        reused, asked = reused + place.shared, asked + len(prompt)
    assert len(stage.engine.seen) > 40
    assert reused / asked >= 0.7
