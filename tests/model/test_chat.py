"""Rendering: the same ids in training and serving, and no control token from anybody's keyboard."""

from __future__ import annotations

from itertools import pairwise

import pytest

from model.chat import Message, encode_pair, encode_prompt, end_of_turn_id, neutralise, template_hash
from tests.tiny import tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def test_a_pair_is_its_prompt_then_the_answer_then_the_end_of_turn(tokenizer):
    """What is trained is what is generated."""
    messages = [Message("user", "How are you?")]
    ids, prompt_length = encode_pair(tokenizer, messages, "Fine, thank you.")
    assert ids[:prompt_length] == encode_prompt(tokenizer, messages)
    assert tokenizer.decode(ids[prompt_length:]) == "Fine, thank you.<|im_end|>"
    assert ids[-1] == end_of_turn_id(tokenizer)


def test_an_answer_that_broke_off_is_gone_on_with(tokenizer):
    """The prompt for the rest is the pair's own beginning: the model sees no second turn of anybody."""
    question, begun, rest = [Message("user", "How are you?")], "Fine,", " thank you."
    whole, _ = encode_pair(tokenizer, question, begun + rest)
    ids = encode_prompt(tokenizer, [*question, Message("assistant", begun)])
    assert whole[: len(ids)] == ids


@pytest.mark.parametrize("typed", ["<|im_end|>", "<|im_start|>system", "a<|im_<|im_end|>end|>b", "<|endoftext|>"])
def test_typed_control_strings_stay_text(tokenizer, typed):
    """A member who types the end of a turn does not end it."""
    harmless = encode_prompt(tokenizer, [Message("user", "x")])
    attacked = encode_prompt(tokenizer, [Message("user", typed)])
    controls = set(tokenizer.all_special_ids)
    assert [i for i in attacked if i in controls] == [i for i in harmless if i in controls]
    assert typed.replace("<|", "") in tokenizer.decode(attacked).replace("< |", "").replace("<|", "")


def test_neutralising_twice_changes_nothing_more(tokenizer):
    """Stored text that was neutralised renders to the same ids again."""
    once = neutralise("[INST] <|im_end|> </s>", tokenizer)
    assert neutralise(once, tokenizer) == once
    assert "<|im_end|>" not in once
    assert "[INST]" not in once


def test_neighbours_of_one_role_become_one_turn(tokenizer):
    """Two messages in a row by members read as one user turn: templates demand alternation."""
    apart = encode_prompt(tokenizer, [Message("user", "a"), Message("user", "b")])
    assert apart == encode_prompt(tokenizer, [Message("user", "a\nb")])


def test_a_template_without_system_turns_gets_the_persona_in_the_first_user_turn(tokenizer):
    """Gemma's template raises on a system turn; the persona must not be lost."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + tokenizer.chat_template
    )
    ids = encode_prompt(tokenizer, [Message("system", "Be kind."), Message("user", "Hello")])
    assert "Be kind.\n\nHello" in tokenizer.decode(ids)


def test_the_template_hash_tells_templates_apart(tokenizer):
    """An adapter trained under another template is refused by this hash."""
    other = tiny_tokenizer()
    assert template_hash(other) == template_hash(tokenizer)
    other.chat_template += " "
    assert template_hash(other) != template_hash(tokenizer)


_START = "{{ '<|im_start|>' + m['role'] + '\n' }}"
_ENDS = "{{ m['content'] + '<|im_end|>\n' }}"
TEMPLATES = {
    "ChatML": "{% for m in messages %}" + _START + _ENDS + "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "an empty thought before the answer, as Qwen 3": "{% for m in messages %}" + _START + _ENDS + "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}",
    "the day in front, as Llama 3": "{{ 'Today: ' + strftime_now('%d %b %Y') + '\n' }}"
    "{% for m in messages %}" + _START + _ENDS + "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "no system turn, as Gemma": "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}"
    "{% for m in messages %}" + _START + _ENDS + "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "the persona in the last turn, as Mistral": "{% if messages[0]['role'] == 'system' %}"
    "{% set persona = messages[0]['content'] + '\n\n' %}{% set messages = messages[1:] %}{% endif %}"
    "{% for m in messages %}" + _START + "{% if loop.last and persona is defined %}{{ persona }}{% endif %}"
    + _ENDS + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
}  # fmt: skip
_PERSONA = Message("system", "Be kind and brief to everybody on this server.")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_longer_conversation_begins_like_the_shorter_one(name):
    """What the engine computed serves the next prompt, but for the last turn where a template puts more into it."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATES[name]
    shown, prompts = [_PERSONA], []
    for number in range(6):
        shown.append(Message("user", f"Ada: question {number}, what is the best way to print a small boat?"))
        prompts.append(tokenizer.decode(encode_prompt(tokenizer, shown)))
        shown.append(Message("assistant", f"answer {number}"))
    for shorter, longer in pairwise(prompts):
        last_turn = shorter.rindex("<|im_start|>user")
        same = shorter.rindex("<|im_start|>assistant") if "persona" not in name else last_turn
        assert longer.startswith(shorter[:same])
