"""A base of many words takes no more memory and time than its sizes ask for."""

from __future__ import annotations

import pytest
import torch

from model.base.loading import load_base
from model.config import ModelConfig
from model.protocol import Sampling
from model.serving.decoder import Decoder
from tests.families import family_config
from tests.tiny import make_tiny_base
from trainer.evaluation.evaluate import generate_answers, rows_at_once
from trainer.settings import TrainingConfig
from trainer.training import likelihood
from trainer.training.likelihood import completion_losses, negative_log_likelihoods, tokens_at_once
from trainer.training.qlora import CHALLENGER, attach_adapter
from trainer.training.recipe import resolve
from trainer.training.tokens import Collator, Example

EXAMPLES = [Example(number, tuple(range(3, 40 + number)), 5) for number in range(7)]


@pytest.fixture
def base(tmp_path):
    config = ModelConfig(base=str(make_tiny_base(tmp_path / "base")), device="cpu", dtype="float32", slots=2)
    return load_base(config, tmp_path / "models")


def watch(model):
    """What reaches the output layer: (rows, whether they are contiguous), call by call."""
    seen = []
    head = model.get_output_embeddings()
    forward = head.forward

    def noted(hidden):
        seen.append((hidden.numel() // hidden.shape[-1], hidden.is_contiguous()))
        return forward(hidden)

    head.forward = noted
    return seen


def test_drawn_answers_hand_over_contiguous_rows_a_few_at_a_time(base, monkeypatch):
    """As many as sorting their scores has room for; the answers are those of one batch."""
    model = attach_adapter(base.model, resolve(TrainingConfig(), pairs=60, parameters=1))
    prompts = [list(range(3, 12 + number)) for number in range(9)]
    together = generate_answers(model, CHALLENGER, base.tokenizer, prompts, max_new_tokens=4)
    monkeypatch.setattr("trainer.evaluation.evaluate._SCORE_BYTES", 4 * 40 * 512)
    seen = watch(model)
    assert generate_answers(model, CHALLENGER, base.tokenizer, prompts, max_new_tokens=4) == together
    assert all(contiguous for _, contiguous in seen)
    assert max(rows for rows, _ in seen) == 4


def test_drawn_answers_are_so_whoever_loaded_the_model(base):
    """A slice of the hidden states is what generate takes; 145 s and 13 GB in bf16 with 262,144 words."""
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_config(family_config("gemma3_text")).eval().requires_grad_(requires_grad=False)
    model = attach_adapter(plain, resolve(TrainingConfig(), pairs=60, parameters=1))
    seen = watch(model)
    generate_answers(model, CHALLENGER, base.tokenizer, [[3, 4, 5], [6, 7, 8, 9]], max_new_tokens=2)
    assert seen
    assert all(contiguous for _, contiguous in seen)


def test_serving_by_modules_scores_one_contiguous_row_a_conversation(base):
    """Prompts of any length included."""
    decoder = Decoder(base, ModelConfig(device="cpu", dtype="float32", context_tokens=64, slots=2))
    with torch.inference_mode():
        decoder._choose_cache()
        seen = watch(base.model)
        decoder.begin(0, list(range(3, 30)), Sampling(temperature=0), 0)
        decoder.prefill(0, list(range(3, 30)), 0, last=True)
        decoder.launch([5])
    assert seen == [(1, True), (1, True)]


@pytest.mark.parametrize("family", ["llama", "gemma2", "cohere", "granite"])
def test_likelihoods_hold_few_scores_at_once_and_stay_the_same(tmp_path, monkeypatch, family):
    """Also where scores are scaled or capped after the output layer."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    changes = {"logits_scaling": 4.0} if family == "granite" else {}
    model = AutoModelForCausalLM.from_config(family_config(family, **changes)).eval()
    expected = negative_log_likelihoods(model, EXAMPLES, pad_id=0)
    plain = [model(torch.tensor([one.ids])).logits[0, 4:-1].log_softmax(-1) for one in EXAMPLES]
    whole = [
        -float(scores.gather(1, torch.tensor(one.ids[5:])[:, None]).mean())
        for scores, one in zip(plain, EXAMPLES, strict=True)
    ]
    assert expected == pytest.approx(whole, rel=1e-4)
    monkeypatch.setattr(likelihood, "_SCORE_BYTES", 16 * 4 * 512)
    seen = watch(model)
    assert negative_log_likelihoods(model, EXAMPLES, pad_id=0) == pytest.approx(expected, rel=1e-5)
    assert max(rows for rows, _ in seen) == 16


def test_training_holds_few_scores_at_once(base, monkeypatch):
    """Chunks are bounded by bytes: the gradient on its way costs as much as the scores."""
    monkeypatch.setattr(likelihood, "_SCORE_BYTES", 8 * 4 * 512)
    batch = Collator(0)([{"input_ids": list(one.ids), "labels": one.labels} for one in EXAMPLES])
    model = attach_adapter(base.model, resolve(TrainingConfig(), pairs=60, parameters=1))
    seen = watch(model)
    completion_losses(model, batch, in_chunks=True)[0].sum().backward()
    assert max(rows for rows, _ in seen) == 8


def test_how_many_at_once_goes_by_the_number_of_words():
    """512 tokens and dozens of answers with 49,152 words, about a hundred and 38 with 262,144, at least one always."""
    assert (tokens_at_once(49_152), tokens_at_once(262_144), tokens_at_once(10**9)) == (512, 96, 1)
    assert (rows_at_once(49_152), rows_at_once(262_144), rows_at_once(10**9)) == (203, 38, 1)
