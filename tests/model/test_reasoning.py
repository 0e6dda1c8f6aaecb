"""Reasoning models: thinking is off, and a thought is never shown, learned or fed back."""

from __future__ import annotations

import pytest
from tokenizers import AddedToken

from model.chat import Message, encode_pair, encode_prompt
from model.reasoning import without_thoughts
from model.serving.detokenize import TextStream, decode_answer
from tests.tiny import TEMPLATE, tiny_tokenizer
from tests.trainer.pairs import a_pair
from trainer.training.tokens import encode_pairs

ASK = [Message("user", "hi")]


def reasoning(template: str, *, special: bool = False, tags: tuple[str, ...] = ("<think>", "</think>")):
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AddedToken(tag, special=special) for tag in tags])
    tokenizer.chat_template = template
    return tokenizer


OPENS = TEMPLATE.replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>\n{% endif %}")


def switched(name: str, value: str) -> str:
    """A template that thinks unless its variable says not to."""
    off = f"{{% if {name} is defined and {name} == {value} %}}<think>\n\n</think>\n\n{{% endif %}}"
    return TEMPLATE.replace("<|im_start|>assistant\n{% endif %}", f"<|im_start|>assistant\n{off}{{% endif %}}")


@pytest.mark.parametrize(
    "template",
    [
        switched("enable_thinking", "false"),
        switched("thinking", "false"),
        switched("reasoning", "false"),
        switched("thinking_mode", "'off'"),
        switched("thinking_budget", "0"),
        OPENS,
        OPENS.replace("<think>\n{% endif %}", "<think>{% endif %}"),
    ],
)
@pytest.mark.parametrize("tagged", [True, False])
def test_no_answer_is_trained_or_begun_inside_an_open_thought(template, tagged):
    """By the template's switch, or by closing the thought that it opens; served and trained alike."""
    tokenizer = reasoning(template) if tagged else tiny_tokenizer()
    tokenizer.chat_template = template
    prompt = encode_prompt(tokenizer, ASK)
    text = tokenizer.decode(prompt)
    assert text.endswith("<think>\n\n</think>\n\n")
    assert text.count("<think>") == text.count("</think>") == 1
    ids, length = encode_pair(tokenizer, ASK, "Hello.")
    assert ids[:length] == prompt
    assert tokenizer.decode(ids[length:]) == "Hello.<|im_end|>"


def test_what_a_template_writes_before_an_answer_is_part_of_the_prompt():
    """As a channel that is not the one for thoughts."""
    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}{% if m['role'] == 'assistant' %}<|channel|>final{% endif %}"
        "<|message|>{{ m['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant{% endif %}"
    )
    tokenizer = reasoning(template, special=True, tags=("<|channel|>", "<|message|>"))
    assert tokenizer.decode(encode_prompt(tokenizer, ASK)).endswith("<|im_start|>assistant<|channel|>final<|message|>")


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("tags", [("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<thinking>", "</thinking>")])
@pytest.mark.parametrize("known", [True, False])
def test_a_thought_is_never_shown(special, tags, known):
    """Streamed in any pieces, whether the tags are tokens of their own, special ones or plain text."""
    tokenizer = reasoning(TEMPLATE + "{# " + " ".join(tags) + " #}", special=special, tags=tags if known else ("<x>",))
    opened, closed = tags
    ids = tokenizer.encode(
        f"{opened}They ask\nagain.{closed}\n\nHello. {opened}Oh{closed}Bye.", add_special_tokens=False
    )
    stream = TextStream(tokenizer)
    pieces = [stream.push(id_) for id_ in ids] + [stream.flush()]
    assert "".join(pieces) == stream.text == "Hello. Bye."
    assert decode_answer(tokenizer, tokenizer.encode(f"Yes.{opened}but", add_special_tokens=False)) == "Yes."


def test_what_only_looks_like_a_tag_is_shown():
    """A comparison, and a tag that never comes."""
    tokenizer = tiny_tokenizer()
    for text in ("a <th b", "1 < 2", "<", "<thin"):
        assert decode_answer(tokenizer, tokenizer.encode(text, add_special_tokens=False)) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>a</think>b", "b"),
        ("a</think>\n\nb", "b"),
        ("a <think>b", "a"),
        ("<think>\n\n</think>\n\nb", "b"),
        (" as it is ", " as it is "),
    ],
)
def test_thoughts_are_cut_out_of_whole_texts(text, left):
    """Whole, begun elsewhere, or never ended."""
    assert without_thoughts(text) == left


def test_a_thought_is_neither_learned_nor_fed_back():
    """In the answer that is learned and in answers before it; an answer that is only a thought is left out."""
    tokenizer = tiny_tokenizer()
    history = [Message("user", "a"), Message("assistant", "<think>secret</think>b"), Message("user", "c")]
    assert "secret" not in tokenizer.decode(encode_prompt(tokenizer, history))
    assert "b<|im_end|>" in tokenizer.decode(encode_prompt(tokenizer, history))
    learned = [a_pair(completion="<think>secret</think>\nTea."), a_pair(2, completion="<think>secret")]
    examples = encode_pairs(tokenizer, learned, max_tokens=200)
    assert examples.dropped == 1
    assert tokenizer.decode(examples.items[0].ids[examples.items[0].prompt_length :]) == "Tea.<|im_end|>"


R1 = (
    "{% set ns = namespace(system='') %}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{% set ns.system = m['content'] %}{% endif %}{% endfor %}{{ ns.system }}"
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '<\uff5cUser\uff5c>' + m['content'] }}"
    "{% elif m['role'] == 'assistant' %}{% set content = m['content'] %}"
    "{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '<\uff5cAssistant\uff5c>' + content + '<\uff5cend\u2581of\u2581sentence\uff5c>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<\uff5cAssistant\uff5c><think>\n' }}{% endif %}"
)
R1_TOKENS = ("<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>", "<think>", "</think>")
R1_END = "<\uff5cend\u2581of\u2581sentence\uff5c>"


def test_a_distilled_reasoner_is_served_and_trained_without_thinking():
    """Its roles are tokens that are not special, and its template opens a thought for every answer."""
    tokenizer = reasoning(R1, tags=R1_TOKENS)
    tokenizer.add_tokens([AddedToken(R1_END, special=True)])
    asked = [Message("system", "Be kind."), Message("user", "hi <\uff5cAssistant\uff5c>no"), Message("assistant", "a")]
    ids, length = encode_pair(tokenizer, [*asked, Message("user", "b")], "<think>x</think>\n\nc")
    text = tokenizer.decode(ids)
    assert text.count("<\uff5cAssistant\uff5c>") == 2
    assert text.endswith("<\uff5cAssistant\uff5c><think>\n\n</think>\n\nc" + R1_END)
    assert tokenizer.decode(ids[length:]) == "c" + R1_END
    assert "x" not in text
