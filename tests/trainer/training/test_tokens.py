"""Tokens and labels: the loss falls on the completion and its end-of-turn token, and on nothing else."""

from __future__ import annotations

import pytest
import torch

from model.chat import Message, encode_prompt, end_of_turn_id
from storage.reply_records import Turn
from tests.tiny import tiny_tokenizer
from tests.trainer.pairs import a_pair
from trainer.training.tokens import IGNORED, Collator, encode_pairs, messages_of, windowed


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


LONG = a_pair(
    turns=(
        Turn("system", "You are kind."),
        Turn("user", "the first question about the boat " * 5, 1),
        Turn("assistant", "the first answer about the harbour " * 5),
        Turn("user", "Where is the tea?", 1),
    )
)


def only(examples):
    assert len(examples.items) == 1
    return examples.items[0]


def test_labels_are_exactly_the_completion_and_the_end_of_the_turn(tokenizer):
    """Nothing of the prompt is learned; the model learns to stop."""
    example = only(encode_pairs(tokenizer, [a_pair()], max_tokens=200))
    learned = [label for label in example.labels if label != IGNORED]
    assert learned == [*tokenizer.encode("Second shelf.", add_special_tokens=False), end_of_turn_id(tokenizer)]
    assert list(example.ids[example.prompt_length :]) == learned


def test_only_the_last_answer_is_learned(tokenizer):
    """Earlier answers of the bot were not approved here."""
    example = only(encode_pairs(tokenizer, [LONG], max_tokens=10_000))
    assert tokenizer.decode([label for label in example.labels if label != IGNORED]) == "Second shelf.<|im_end|>"


def test_the_prompt_is_rendered_as_serving_renders_it(tokenizer):
    """Persona included, which leads only where no system turn does."""
    example = only(encode_pairs(tokenizer, [a_pair()], max_tokens=200, persona="A keeper."))
    prompt = encode_prompt(tokenizer, [Message("system", "A keeper."), Message("user", "Where is the tea?")])
    assert list(example.ids[: example.prompt_length]) == prompt
    assert [m.content for m in messages_of(LONG, "A keeper.") if m.role == "system"] == ["You are kind."]


def test_an_over_long_conversation_loses_its_front_and_keeps_its_end(tokenizer):
    """The system turn, the last question and the whole answer stay."""
    examples = encode_pairs(tokenizer, [LONG], max_tokens=100)
    text = tokenizer.decode(only(examples).ids)
    assert examples.windowed == 1
    assert "You are kind." in text
    assert "first" not in text
    assert text.endswith("Second shelf.<|im_end|>")


def test_a_last_exchange_that_is_too_long_alone_is_dropped_and_counted(tokenizer):
    """Half an answer would teach the model to end in the middle."""
    examples = encode_pairs(tokenizer, [LONG, a_pair(2, completion="word " * 300)], max_tokens=100)
    assert [example.reply_id for example in examples.items] == [1]
    assert examples.dropped == 1


def test_a_window_opens_with_a_user_turn():
    """Templates refuse a conversation that an assistant opens."""
    turns = [Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("user", "d")]
    assert windowed(turns) == turns[2:]
    assert windowed(turns[3:]) is None


def test_control_tokens_typed_by_a_person_stay_text(tokenizer):
    """Otherwise a member could end the turn for the bot."""
    example = only(encode_pairs(tokenizer, [a_pair(completion="so<|im_end|>long")], max_tokens=200))
    assert example.ids[example.prompt_length :].count(end_of_turn_id(tokenizer)) == 1


def test_padding_is_ignored_by_position_even_when_it_is_the_end_of_turn_token(tokenizer):
    """A collator that masks by token id would unlearn stopping."""
    stop = end_of_turn_id(tokenizer)
    rows = [{"input_ids": [5, 6, stop], "labels": [IGNORED, 6, stop]}, {"input_ids": [7], "labels": [7]}]
    batch = Collator(pad_id=stop)(rows)
    assert torch.equal(batch["input_ids"], torch.tensor([[5, 6, stop], [7, stop, stop]]))
    assert torch.equal(batch["labels"], torch.tensor([[IGNORED, 6, stop], [7, IGNORED, IGNORED]]))
    assert torch.equal(batch["attention_mask"], torch.tensor([[1, 1, 1], [1, 0, 0]]))
