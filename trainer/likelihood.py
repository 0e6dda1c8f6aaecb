"""How likely a model finds completions: the loss in training and the measure in evaluation, in one place.

Scores over the vocabulary are computed only where a label is: half the tokens of a short chat are prompt, and at 49,152
words a row of scores costs as much as several layers. Works for any causal model of transformers, with or without PEFT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from trainer.tokens import IGNORED, Collator, Example

__all__ = ["batches_by_length", "completion_losses", "negative_log_likelihoods"]


def completion_losses(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of each labelled token of a batch.

    Args:
        model: a causal language model.
        batch: `input_ids`, `attention_mask`, `labels`, each [rows, length].

    Returns:
        Losses in nats [n], and the row each belongs to [n].
    """
    labels = batch["labels"][:, 1:]
    labelled = labels != IGNORED
    # Position t predicts token t + 1; the last position predicts nothing.
    wanted = torch.nn.functional.pad(labelled, (0, 1))
    with _scores_only_at(model, wanted):
        scores = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    losses = cross_entropy(scores[0].float(), labels[labelled], reduction="none")
    return losses, labelled.nonzero()[:, 0]


def negative_log_likelihoods(
    model: Any, examples: Sequence[Example], *, pad_id: int, batch_tokens: int = 2048
) -> list[float]:
    """Mean negative log-likelihood of each example's completion tokens in nats, in the order given.

    The model is put in eval mode and left in the mode it was in.
    """
    collate, device = Collator(pad_id), next(model.parameters()).device
    results = [0.0] * len(examples)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for indices in batches_by_length([len(example.ids) for example in examples], batch_tokens):
                rows = [{"input_ids": list(examples[i].ids), "labels": examples[i].labels} for i in indices]
                batch = {name: tensor.to(device) for name, tensor in collate(rows).items()}
                losses, row_of = completion_losses(model, batch)
                for row, index in enumerate(indices):
                    results[index] = losses[row_of == row].mean().item()
    finally:
        model.train(was_training)
    return results


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices grouped so that neighbours in length share a batch of at most `batch_tokens` padded tokens."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and (len(batch) + 1) * lengths[index] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@contextmanager
def _scores_only_at(model: Any, wanted: torch.Tensor) -> Iterator[None]:
    """Let the output layer see only the hidden states at `wanted` [rows, length]: logits become [1, n, vocabulary]."""
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _head, inputs: (inputs[0][wanted].unsqueeze(0),))
    try:
        yield
    finally:
        hook.remove()
