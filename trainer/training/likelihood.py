"""How likely a model finds completions: the loss in training and the measure in evaluation, in one place.

Scores over the vocabulary are computed only where a label is: half the tokens of a short chat are prompt, and at 49,152
words a row of scores costs as much as several layers. Works for any causal model of transformers, with or without PEFT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from trainer.training.tokens import IGNORED, Collator, Example

__all__ = [
    "batches_by_length",
    "completion_losses",
    "has_plain_scores",
    "negative_log_likelihoods",
    "tokens_at_once",
]

_CHUNK = 512
"""Most tokens whose scores exist at the same time."""
_SCORE_BYTES = 4 * 512 * 49_152
"""Most bytes of one copy of these scores in fp32: 512 tokens of 49,152 words, 96 of 262,144. There are up to three."""


def tokens_at_once(vocabulary: int) -> int:
    """How many tokens' scores may exist at the same time."""
    return max(1, min(_CHUNK, int(_SCORE_BYTES // (4 * vocabulary))))


def completion_losses(
    model: Any,
    batch: dict[str, torch.Tensor],
    *,
    in_chunks: bool = False,
    finish: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of each labelled token of a batch.

    Args:
        model: a causal language model; a bf16 one computes under autocast, so that fp32 adapters cost no conversions.
        batch: `input_ids`, `attention_mask`, `labels`, each [rows, length], padded at the end.
        in_chunks: never hold all scores at once; only for a model with `has_plain_scores`, or with `finish`.
        finish: makes scores of the output layer's numbers; used without gradients only.

    Returns:
        Losses in nats [n], and the row each belongs to [n].
    """
    labels = batch["labels"][:, 1:]
    labelled = labels != IGNORED
    targets = labels[labelled]
    # Position t predicts token t + 1; the last position predicts nothing.
    wanted = torch.nn.functional.pad(labelled, (0, 1))
    with _computing(model):
        # Padding is behind what is read and attention looks back only, so that no mask is needed: attention can then
        # use its fastest kernel, which knows none but the causal one.
        if in_chunks:
            with _hidden_states_at(model, wanted) as caught:
                model(input_ids=batch["input_ids"], use_cache=False)
            head = model.get_output_embeddings()
            if torch.is_grad_enabled():
                losses = _ChunkedCrossEntropy.apply(caught[0], head, targets)  # type: ignore[no-untyped-call]  # as torch
            else:
                losses = _chunked_losses(caught[0], head, targets, finish or (lambda scores: scores))
        else:
            with _scores_only_at(model, wanted):
                scores = model(input_ids=batch["input_ids"], use_cache=False).logits
            losses = cross_entropy(scores[0].float(), targets, reduction="none")
    return losses, labelled.nonzero()[:, 0]


def has_plain_scores(model: Any) -> bool:
    """Whether scores are the output layer of the last hidden states and nothing more: some models scale or cap them."""
    head = model.get_output_embeddings()
    frozen = head.weight.is_floating_point() and not head.weight.requires_grad
    return frozen and _scores_are(model, lambda scores: scores)


def _finish_of(model: Any) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """What makes scores of the output layer's numbers, as families scale and cap them; None where that is not known."""
    config = model.config.get_text_config()
    factor = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1)
    cap = getattr(config, "final_logit_softcapping", None)

    def finish(scores: torch.Tensor) -> torch.Tensor:
        scores = scores * factor if factor != 1 else scores
        return torch.tanh(scores / cap) * cap if cap else scores

    return finish if _scores_are(model, finish) else None


def _scores_are(model: Any, finish: Callable[[torch.Tensor], torch.Tensor]) -> bool:
    # Not token 0: it often stands for padding, whose embedding is zero, and zero is zero however it is capped.
    ids = torch.tensor([[3, 4]], device=next(model.parameters()).device)
    everywhere = torch.ones_like(ids, dtype=torch.bool)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), _computing(model):
            with _hidden_states_at(model, everywhere) as caught:
                scores = model(input_ids=ids, use_cache=False).logits
            head = model.get_output_embeddings()
            again = finish(head(caught[0][:1]).float())
        return torch.allclose(scores[0].float(), again, rtol=1e-3, atol=1e-3)
    finally:
        model.train(was_training)


def _chunked_losses(
    hidden: torch.Tensor, head: Any, targets: torch.Tensor, finish: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Cross entropy of hidden states [n, hidden] and targets [n], a chunk of tokens at a time, without gradients."""
    chunk = tokens_at_once(head.weight.shape[0])
    parts = zip(hidden.split(chunk), targets.split(chunk), strict=True)
    losses = [cross_entropy(finish(head(some).float()), wanted, reduction="none") for some, wanted in parts]
    return torch.cat(losses) if losses else torch.empty(0, device=hidden.device)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Cross entropy over a frozen output layer, a chunk of tokens at a time, as Liger's kernel does it.

    Hidden states [n, hidden], the layer and targets [n] to losses [n] (Hsu et al. 2024, arXiv:2410.10989). The gradient
    of the hidden states is found on the way forward, for a weight of one; each token's own weight is multiplied in on
    the way back, which is exact, since a token's loss depends on its own hidden state alone.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: Any, targets: torch.Tensor) -> torch.Tensor:
        losses = torch.empty(len(targets), device=hidden.device)
        gradient = torch.empty_like(hidden)
        count = tokens_at_once(head.weight.shape[0])
        for start in range(0, len(targets), count):
            chunk = slice(start, start + count)
            scores = head(hidden[chunk]).float()
            normaliser = torch.logsumexp(scores, dim=-1)
            chosen = targets[chunk].unsqueeze(-1)
            losses[chunk] = normaliser - scores.gather(-1, chosen).squeeze(-1)
            slope = scores.sub_(normaliser.unsqueeze(-1)).exp_()  # softmax, in place
            slope.scatter_add_(-1, chosen, torch.full_like(chosen, -1, dtype=slope.dtype))
            gradient[chunk] = slope.to(head.weight.dtype) @ head.weight
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *weights: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * weights[0].unsqueeze(-1).to(gradient.dtype), None, None


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
    finish = _finish_of(model) if examples else None
    if finish is None:  # all scores of a batch exist at once
        batch_tokens = min(batch_tokens, 4 * tokens_at_once(model.get_output_embeddings().weight.shape[0]))
    try:
        with torch.no_grad():
            for indices in batches_by_length([len(example.ids) for example in examples], batch_tokens):
                rows = [{"input_ids": list(examples[i].ids), "labels": examples[i].labels} for i in indices]
                batch = {name: tensor.to(device) for name, tensor in collate(rows).items()}
                losses, row_of = completion_losses(model, batch, in_chunks=finish is not None, finish=finish)
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


def _computing(model: Any) -> Any:
    """Autocast to the type of a model in 16 bits: adapters stay in fp32 and are multiplied in that type."""
    device, short = next(model.parameters()).device, model.dtype.itemsize == 2
    return torch.autocast(device.type, model.dtype if short else torch.bfloat16, enabled=short)


@contextmanager
def _hidden_states_at(model: Any, wanted: torch.Tensor) -> Iterator[list[torch.Tensor]]:
    """Catch the last hidden states at `wanted` [rows, length] as [n, hidden]; the output layer sees one of them."""
    caught: list[torch.Tensor] = []

    def catch(_head: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        caught.append(inputs[0][wanted])
        return (caught[0][:1].detach().unsqueeze(0),)

    hook = model.get_output_embeddings().register_forward_pre_hook(catch)
    try:
        yield caught
    finally:
        hook.remove()


@contextmanager
def _scores_only_at(model: Any, wanted: torch.Tensor) -> Iterator[None]:
    """Let the output layer see only the hidden states at `wanted` [rows, length]: logits become [1, n, vocabulary]."""
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _head, inputs: (inputs[0][wanted].unsqueeze(0),))
    try:
        yield
    finally:
        hook.remove()
