"""Measures the base, the champion and the challenger on one resident base: likelihoods and replies.

Gathers the figures; `trainer.evaluation.gate` judges them, `trainer.evaluation.probes` chooses the prompts. Knows no
store and no file but the shipped general set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from model.base.output_layer import keep_contiguous
from model.chat import Message, encode_pair, end_of_turn_id
from model.config import GenerationConfig
from model.serving.detokenize import decode_answer
from storage.pair_records import Pair
from trainer.training.likelihood import batches_by_length, negative_log_likelihoods
from trainer.training.tokens import Example

__all__ = ["GeneratedAnswer", "add_champion", "added", "choice_losses", "generate_answers", "nlls_of", "spread"]

CHAMPION = "champion"
_SCORE_BYTES = 400e6

CHUNK = 32
"""Tokens after which finished answers leave the batch: in it, they cost as much as unfinished ones."""


def add_champion(model: Any, path: Path, name: str = CHAMPION) -> str:
    """Load a published adapter beside the challenger; returns its name on this model."""
    if name not in model.peft_config:
        model.load_adapter(str(path), adapter_name=name, is_trainable=False)
    return name


@contextmanager
def added(model: Any, path: Path, name: str) -> Iterator[str]:
    """A published adapter beside the challenger for a while, under a name; afterwards it leaves the memory again."""
    try:
        yield add_champion(model, path, name)
    finally:
        if name in model.peft_config:
            model.delete_adapter(name)


def spread(pairs: Sequence[Pair], count: int) -> tuple[Pair, ...]:
    """At most `count` pairs, evenly spaced from the first to the last: old and new ones are judged alike."""
    if len(pairs) <= count:
        return tuple(pairs)
    return tuple(pairs[(number + 1) * len(pairs) // count - 1] for number in range(count))


def nlls_of(model: Any, adapter: str | None, examples: Sequence[Example], *, pad_id: int) -> list[float]:
    """Mean negative log-likelihood of each example's completion in nats under an adapter, or the bare base (None)."""
    with _active_adapter(model, adapter):
        return negative_log_likelihoods(model, examples, pad_id=pad_id)


def choice_losses(model: Any, adapter: str | None, tokenizer: Any, *, pad_id: int) -> list[float]:
    """For each shipped general question, -log of the probability of the right answer among a right and a wrong one.

    In nats: 0 is sure and right, log 2 undecided. The persona has no part in the questions, and the end of the turn is
    left out: an adapter that signs its replies continues there, which says nothing of its knowledge.
    """
    rows = [
        json.loads(line)
        for line in files("trainer.evaluation").joinpath("general.jsonl").read_text("utf-8").splitlines()
    ]

    def log_likelihoods(which: str) -> list[float]:
        examples = []
        for number, row in enumerate(rows):
            ids, prompt_length = encode_pair(tokenizer, [Message("user", row["question"])], row[which])
            examples.append(Example(number, tuple(ids[:-1]), prompt_length))
        means = nlls_of(model, adapter, examples, pad_id=pad_id)
        return [
            -mean * (len(example.ids) - example.prompt_length) for mean, example in zip(means, examples, strict=True)
        ]

    differences = torch.tensor(log_likelihoods("answer")) - torch.tensor(log_likelihoods("wrong"))
    losses: list[float] = torch.nn.functional.softplus(-differences).tolist()
    return losses


@dataclass(frozen=True)
class GeneratedAnswer:
    """An answer of the model, and whether it ended by itself within the limit of tokens."""

    text: str
    stopped: bool


def generate_answers(
    model: Any,
    adapter: str | None,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    seed: int | None = None,
    drawing: GenerationConfig | None = None,
) -> list[GeneratedAnswer]:
    """Answer each prompt, in order.

    Args:
        model: the PEFT model.
        adapter: the one that answers; None is the bare base.
        tokenizer: the base's.
        prompts: token ids, each ending with the generation prompt.
        max_new_tokens: where an answer is cut off.
        seed: draw with it; None decodes greedily.
        drawing: temperature, top-p and repetition penalty, as the bot draws; None is without a penalty.
    """
    stop = end_of_turn_id(tokenizer)
    how = drawing or GenerationConfig(repetition_penalty=1.0)
    sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if seed is not None and how.temperature > 0:
        sampling = {"do_sample": True, "temperature": how.temperature, "top_p": how.top_p, "top_k": 0}
        torch.manual_seed(seed)
    sampling["repetition_penalty"] = how.repetition_penalty
    answers: list[list[int]] = [[] for _ in prompts]
    keep_contiguous(model)  # in case another loader did not
    at_once = rows_at_once(model.get_output_embeddings().weight.shape[0])
    waiting, said = list(range(len(prompts))), 0
    model.eval()
    with _active_adapter(model, adapter), torch.inference_mode():
        while waiting and said < max_new_tokens:
            count = min(CHUNK, max_new_tokens - said)
            for batch in _batches([len(prompts[i]) + said for i in waiting], at_once):
                indices = [waiting[number] for number in batch]
                so_far = [[*prompts[i], *answers[i]] for i in indices]
                for index, more in zip(indices, _extended(model, so_far, count, stop, sampling), strict=True):
                    answers[index] += more[: more.index(stop) + 1] if stop in more else more
            waiting, said = [i for i in waiting if answers[i][-1] != stop], said + count
    return [GeneratedAnswer(decode_answer(tokenizer, answer), stopped=stop in answer) for answer in answers]


def rows_at_once(vocabulary: int) -> int:
    """How many answers may be sampled at once: sorting the logits of one takes 40 bytes per vocabulary token."""
    return max(1, int(_SCORE_BYTES // (40 * vocabulary)))


def _batches(lengths: Sequence[int], rows: int) -> Iterator[list[int]]:
    """Indices of neighbours in length, at most so many at once."""
    for batch in batches_by_length(lengths, 8192):
        for start in range(0, len(batch), rows):
            yield batch[start : start + rows]


def _extended(
    model: Any, rows: Sequence[Sequence[int]], count: int, stop: int, sampling: dict[str, Any]
) -> list[list[int]]:
    """At most `count` tokens more for each row; after a stop token, more of them."""
    device, longest = next(model.parameters()).device, max(map(len, rows))
    # Padded on the left, so that every row ends where its answer continues.
    ids = torch.tensor([[stop] * (longest - len(row)) + [*row] for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    grown = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=count,
        eos_token_id=stop,
        pad_token_id=stop,
        **sampling,
    )
    new: list[list[int]] = grown[:, longest:].tolist()
    return new


@contextmanager
def _active_adapter(model: Any, adapter: str | None) -> Iterator[None]:
    if adapter is None:
        with model.disable_adapter():
            yield
        return
    before = model.active_adapter
    model.set_adapter(adapter)
    try:
        yield
    finally:
        model.set_adapter(before)
