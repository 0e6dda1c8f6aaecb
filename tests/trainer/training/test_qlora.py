"""Training itself: gradients that flow, losses that agree with transformers', the best step kept."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from bitsandbytes.functional import has_avx512bf16

from model.base.loading import load_base
from model.config import ModelConfig
from tests.tiny import make_tiny_base
from tests.trainer.pairs import COLOURS, a_pair
from trainer.evaluation.evaluate import add_champion, choice_losses, generate_answers, nlls_of
from trainer.settings import TrainingConfig
from trainer.training import likelihood
from trainer.training.base import forbid_repacking
from trainer.training.likelihood import batches_by_length, completion_losses, has_plain_scores, negative_log_likelihoods
from trainer.training.memory import Fit
from trainer.training.qlora import CHALLENGER, attach_adapter, train
from trainer.training.recipe import resolve
from trainer.training.tokens import Collator, encode_pairs


def recipe_of(**changes):
    values = {"epochs": 2, "learning_rate": 5e-3, "dropout": 0.0, **changes}
    return resolve(TrainingConfig(**values), pairs=40, parameters=10**6)


def into(checkpoints, *, checkpointing=False, tokens=4096, minutes=60.0):
    """What a training is told beside what it learns from."""
    return {"fit": Fit(checkpointing, tokens), "checkpoints": checkpoints, "minutes": minutes, "say": lambda _: None}


def examples_of(base, count=40):
    pairs = [
        a_pair(n, question=f"boat {n} {COLOURS[n % 10]}?", completion=f"harbour {COLOURS[n % 10]} light")
        for n in range(count)
    ]
    return encode_pairs(base.tokenizer, pairs, max_tokens=200).items


def batch_of(examples):
    return Collator(0)([{"input_ids": list(e.ids), "labels": e.labels} for e in examples])


def wake(model):
    """Give B weights, so that A has gradients too."""
    torch.manual_seed(3)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)


def first_gradients(model, batch):
    """Of the adapter in the first layer, which the gradient reaches last."""
    model.train()
    model.zero_grad()
    completion_losses(model, batch)[0].mean().backward()
    return {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.requires_grad and ".layers.0." in name
    }


@pytest.fixture
def base(tiny_base):
    loaded = tiny_base.load()
    forbid_repacking(loaded.model)
    return loaded


def test_gradients_of_the_first_layer_are_the_same_after_an_evaluation(base):
    """An evaluation during training must not change what is learned after it."""
    model = attach_adapter(base.model, recipe_of())
    wake(model)
    examples = examples_of(base, 8)
    before = first_gradients(model, batch_of(examples))
    negative_log_likelihoods(model, examples, pad_id=0)
    after = first_gradients(model, batch_of(examples))
    assert before
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(gradient.abs().max() > 0 for gradient in before.values())


@pytest.mark.skipif(not has_avx512bf16(), reason="only CPUs with AVX512-BF16 repack")
def test_without_care_an_evaluation_ends_the_learning(tiny_base):
    """The fault in bitsandbytes that `forbid_repacking` is for: when this fails, it can go."""
    base = tiny_base.load()
    model = attach_adapter(base.model, recipe_of())
    wake(model)
    examples = examples_of(base, 8)
    before = first_gradients(model, batch_of(examples))
    negative_log_likelihoods(model, examples, pad_id=0)
    after = first_gradients(model, batch_of(examples))
    assert not all(torch.allclose(before[name], after[name], rtol=0.1) for name in before)


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3", "gemma3"])
def test_the_loss_is_the_one_transformers_computes(tmp_path, family):
    """Scores are computed for completions alone, which changes nothing but the time."""
    config = ModelConfig(base=str(make_tiny_base(tmp_path / family, family)), device="cpu", dtype="float32")
    base = load_base(config, tmp_path / "models")
    forbid_repacking(base.model)
    batch = batch_of(examples_of(base, 5))
    with torch.no_grad():
        reference = base.model(**batch).loss
        losses, rows = completion_losses(base.model, batch)
    assert torch.allclose(losses.mean(), reference, rtol=1e-4)
    assert set(rows.tolist()) == set(range(5))


def test_scores_a_chunk_at_a_time_give_the_same_losses_and_gradients(base, monkeypatch):
    """Less memory, the same learning: whatever weight each token's loss has."""
    monkeypatch.setattr(likelihood, "_CHUNK", 7)
    assert has_plain_scores(base.model)
    model = attach_adapter(base.model, recipe_of())
    wake(model)
    batch = batch_of(examples_of(base, 5))
    found = []
    for in_chunks in (False, True):
        model.zero_grad()
        losses, _ = completion_losses(model, batch, in_chunks=in_chunks)
        (losses * torch.linspace(0.1, 1.0, len(losses))).sum().backward()
        found.append((losses.detach(), [weight.grad.clone() for weight in model.parameters() if weight.requires_grad]))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-5)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found[0][1], found[1][1], strict=True))


def test_a_model_that_caps_its_scores_is_found_out(tmp_path):
    """Its scores are not the output layer's, so they are computed by the model itself."""
    changes = {"final_logit_softcapping": 0.001}
    config = ModelConfig(
        base=str(make_tiny_base(tmp_path / "capped", "gemma3", **changes)), device="cpu", dtype="float32"
    )
    assert not has_plain_scores(load_base(config, tmp_path / "models").model)


def test_a_pair_scores_the_same_alone_and_in_a_batch(base):
    """Padding and neighbours have no part in a pair's likelihood."""
    examples = examples_of(base, 6)
    together = negative_log_likelihoods(base.model, examples, pad_id=0)
    alone = [negative_log_likelihoods(base.model, [example], pad_id=0)[0] for example in examples]
    assert together == pytest.approx(alone, rel=1e-3)


def test_batches_hold_neighbours_in_length_within_the_budget():
    """Every index once, little padding, and one that is too long alone still has its batch."""
    lengths = [50, 10, 12, 400, 48]
    batches = list(batches_by_length(lengths, 100))
    assert batches == [[1, 2], [4, 0], [3]]


def test_training_learns_and_leaves_the_base_as_it_was(base, tmp_path):
    """Loss falls, steps are reported as they come, adapters are fp32, frozen weights stay frozen to the bit."""
    examples = examples_of(base)
    frozen_before = {name: weight.clone() for name, weight in base.model.named_parameters()}
    model = attach_adapter(base.model, recipe_of())
    assert {weight.dtype for weight in model.parameters() if weight.requires_grad} == {torch.float32}
    before = nlls_of(model, CHALLENGER, examples, pad_id=0)
    heard = []
    learned = train(
        model,
        examples[:34],
        examples[34:],
        recipe_of(epochs=8),
        pad_id=0,
        seed=1,
        **into(tmp_path),
        report=lambda step, total, figures: heard.append((step, total, figures)),
    )
    after = nlls_of(model, CHALLENGER, examples, pad_id=0)
    assert sum(after) < 0.7 * sum(before)
    assert [figures["loss"] for _, _, figures in heard if "loss" in figures][-1] < heard[0][2]["loss"]
    assert [step for step, _, figures in heard if "loss" in figures] == list(range(1, learned.steps + 1))
    assert nlls_of(model, None, examples, pad_id=0) == pytest.approx(before)  # B starts at 0
    changed = [
        name
        for name, weight in model.get_base_model().named_parameters()
        if "lora" not in name and not torch.equal(weight, frozen_before[name.replace(".base_layer", "")])
    ]
    assert changed == []


def test_nothing_holds_on_to_the_base_after_training(tiny_base, tmp_path):
    """Its embedding alone is 0.4 GB in a 7B model, and another training may want the room."""
    base = tiny_base.load()
    forbid_repacking(base.model)
    examples = examples_of(base, 12)
    model = attach_adapter(base.model, recipe_of(epochs=1))
    train(
        model,
        examples[:8],
        examples[8:],
        recipe_of(epochs=1),
        pad_id=0,
        seed=1,
        **into(tmp_path),
        report=lambda *_: None,
    )
    held = [weakref.ref(weight) for weight in model.parameters()]
    del base, model
    gc.collect()
    assert [weight for weight in held if weight() is not None] == []


def test_the_best_step_is_the_one_that_stays(base, tmp_path):
    """Training that overshoots is stopped, and what it spoilt is taken back."""
    examples = examples_of(base)
    model = attach_adapter(base.model, recipe_of())
    losses = []
    learned = train(
        model,
        examples[:34],
        examples[34:],
        recipe_of(epochs=12, learning_rate=0.3, max_grad_norm=100.0, warmup=0.5),
        pad_id=0,
        seed=1,
        **into(tmp_path),
        report=lambda _step, _total, figures: losses.append(figures["eval_loss"]) if "eval_loss" in figures else None,
    )
    assert learned.eval_loss == min(losses)
    assert learned.best_step < learned.steps
    validation = batch_of(examples[34:])
    model.eval()
    with torch.no_grad():
        assert completion_losses(model, validation)[0].mean().item() == pytest.approx(learned.eval_loss, rel=0.02)


def test_checkpointing_changes_the_memory_and_not_the_learning(tiny_base, tmp_path):
    """The same losses, step by step."""
    curves = []
    for checkpointing in (False, True):
        base = tiny_base.load()
        forbid_repacking(base.model)
        torch.manual_seed(0)
        model = attach_adapter(base.model, recipe_of())
        examples = examples_of(base)
        curve = []
        train(
            model,
            examples[:34],
            examples[34:],
            recipe_of(epochs=1),
            pad_id=0,
            seed=1,
            **into(tmp_path / str(checkpointing), checkpointing=checkpointing),
            report=lambda _step, _total, figures, curve=curve: curve.append(figures.get("loss")),
        )
        curves.append([loss for loss in curve if loss is not None])
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)


def test_champion_and_challenger_share_one_base(base, tmp_path):
    """Each speaks with its own adapter, the base with none, and none disturbs the other."""
    model = attach_adapter(base.model, recipe_of())
    examples = examples_of(base, 8)
    bare = nlls_of(model, None, examples, pad_id=0)
    wake(model)
    model.save_pretrained(tmp_path, selected_adapters=[CHALLENGER], save_embedding_layers=False)
    trained = nlls_of(model, CHALLENGER, examples, pad_id=0)
    rival = add_champion(model, tmp_path / CHALLENGER)
    for name, weight in model.named_parameters():
        if "lora_B.challenger" in name:
            torch.nn.init.zeros_(weight)
    assert nlls_of(model, rival, examples, pad_id=0) == trained
    assert nlls_of(model, CHALLENGER, examples, pad_id=0) == pytest.approx(bare)
    assert nlls_of(model, None, examples, pad_id=0) == bare
    assert trained != pytest.approx(bare)


def test_replies_come_in_the_order_of_the_prompts_and_know_whether_they_stopped(base):
    """Prompts of different lengths are padded in front; a reply cut by the limit has not stopped."""
    model = attach_adapter(base.model, recipe_of())
    examples = encode_pairs(
        base.tokenizer, [a_pair(1, question="boat " * 9), a_pair(2, question="Hi")], max_tokens=200
    ).items
    prompts = [example.ids[: example.prompt_length] for example in examples]
    together = generate_answers(model, None, base.tokenizer, prompts, max_new_tokens=5)
    alone = [generate_answers(model, None, base.tokenizer, [prompt], max_new_tokens=5)[0] for prompt in prompts]
    assert together == alone
    assert not any(reply.stopped for reply in together)


def test_general_choices_of_random_weights_are_undecided(base):
    """Fifty questions, and a model that knows nothing is right by chance."""
    losses = choice_losses(attach_adapter(base.model, recipe_of()), None, base.tokenizer, pad_id=0)
    assert len(losses) == 50
    assert sum(losses) / 50 > 0.4
