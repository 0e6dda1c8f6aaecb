"""Many families of language models, tiny and random: each is answered with as it was made, or refused in a sentence."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from model.adapter.target_modules import adaptable
from model.base.loading import LoadedBase, load_base
from model.cache import kv_cache as slots_module
from model.chat import Message, encode_prompt
from model.config import ModelConfig
from model.engine import Engine
from model.errors import BaseUnsuitable
from model.protocol import AdapterRef, Sampling
from model.serving.decoder import Decoder
from tests.families import IN_OWN_CACHE, IN_SLOTS, REFUSED, family_config
from tests.tiny import make_tiny_adapter, tiny_tokenizer

CONFIG = ModelConfig(device="cpu", dtype="float32", context_tokens=128, slots=3, lora_rank=8)
PROMPTS = torch.randint(3, 500, (3, 28), generator=torch.Generator().manual_seed(1)).tolist()


def decoder_of(family: str) -> Decoder:
    """Unquantised, so that every difference is the engine's."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(family), dtype=torch.float32).eval().requires_grad_(False)
    return Decoder(LoadedBase(model, None, family, "0", "", torch.device("cpu"), torch.float32), CONFIG)


def whole_pass(family: str) -> torch.Tensor:
    """Logits [prompts, tokens, vocabulary] by the model's own forward pass."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(family), dtype=torch.float32).eval()
    with torch.inference_mode():
        return model(input_ids=torch.tensor(PROMPTS), use_cache=False).logits


def decoded(decoder: Decoder) -> dict[int, list[torch.Tensor]]:
    """Logits [steps, vocabulary] of three rows with prompts of 20, 22 and 24 tokens; the second one ends early."""
    seen: dict[int, list[torch.Tensor]] = {0: [], 1: [], 2: []}
    rows = [0, 1, 2]

    def greedy(logits: torch.Tensor) -> torch.Tensor:
        for row, each in zip(rows if len(logits) > 1 else [filling], logits, strict=True):
            seen[row].append(each.clone())
        return logits.argmax(-1)

    decoder.sampler.greedy = greedy  # type: ignore[method-assign]
    for filling, prompt in enumerate(PROMPTS):
        count = 20 + 2 * filling
        decoder.begin(filling, prompt[:count], Sampling(temperature=0), 0)
        chunk = min(decoder.chunk, 9 if decoder.chunk < CONFIG.context_tokens else count)
        for start in range(0, count, chunk):
            part = prompt[start : min(start + chunk, count)]
            decoder.prefill(filling, part, start, last=start + chunk >= count)
    for step in range(4):
        if step == 2:  # the second row ends, the last one takes its place
            decoder.move(2, 1)
            rows = [0, 2]
        fed = [PROMPTS[row][20 + 2 * row + step] for row in rows]
        decoder._tokens[: len(fed)] = torch.tensor(fed)
        decoder.launch(fed)
        decoder.collect()
    return seen


@pytest.mark.parametrize("family", [*IN_SLOTS, *IN_OWN_CACHE])
def test_every_family_computes_what_its_own_forward_pass_does(family):
    """Prompts in chunks, rows at different places, and a row that moves: in slots, or in the model's own caches."""
    expected, decoder = whole_pass(family), decoder_of(family)
    with torch.inference_mode():
        decoder.warm_up()
        assert ("own cache" in decoder.path) is (family in IN_OWN_CACHE)
        for row, logits in decoded(decoder).items():
            start = 19 + 2 * row
            wanted = expected[row, start : start + len(logits)]
            error = (torch.stack(logits) - wanted).norm(dim=-1) / wanted.norm(dim=-1)
            assert float(error.max()) < 0.01


@pytest.mark.parametrize("family", REFUSED)
def test_a_family_that_neither_cache_holds_is_refused_in_a_sentence(family):
    """Before anything is answered, and with what to do."""
    with torch.inference_mode(), pytest.raises(BaseUnsuitable, match="Choose another one"):
        decoder_of(family).warm_up()


def test_a_window_that_the_attention_does_not_tell_is_noticed(monkeypatch):
    """Too long to be compared, shorter than the context: the layers must have asked for it."""
    monkeypatch.setattr(slots_module.AttentionOptions, "__init__", _without_window)
    config = family_config("mistral", sliding_window=110)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval().requires_grad_(False)
    decoder = Decoder(LoadedBase(model, None, "mistral", "0", "", torch.device("cpu"), torch.float32), CONFIG)
    with torch.inference_mode():
        decoder.warm_up()
    assert "own cache" in decoder.path


def _without_window(options, scale, window, softcap):
    options.scale, options.window, options.softcap = scale, None, softcap


def base_of(family: str, root) -> ModelConfig:
    """Write a tiny base of a family to disk."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(family_config(family), dtype=torch.float32).save_pretrained(root / "base")
    tiny_tokenizer().save_pretrained(root / "base")
    return replace(CONFIG, base=str(root / "base"))


@pytest.mark.parametrize(
    "family", ["gpt_oss", "qwen3_next", "lfm2", "falcon_h1", "granitemoehybrid", "bloom", "deepseek_v3", "mixtral"]
)
async def test_greedy_answers_equal_generate_with_peft(tmp_path, family):
    """Packed in 4 bits, with an adapter on every layer that may have one; two at once."""
    config = base_of(family, tmp_path)
    base = load_base(config, tmp_path / "cache")
    adapter = AdapterRef("a", make_tiny_adapter(tmp_path / "a", base.model, seed=1))
    model = PeftModel.from_pretrained(load_base(config, tmp_path / "cache").model, str(adapter.path)).eval()
    expected, asked = [], ["Hello there", "What is the sea?"]
    for question in asked:
        ids = torch.tensor([encode_prompt(base.tokenizer, [Message("user", question)])])
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, eos_token_id=2
            )
        expected.append(base.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip())
    engine = await Engine.start(config, tmp_path / "cache", adapter)
    try:
        sampling = Sampling(max_new_tokens=12, temperature=0)
        replies = [engine.submit([Message("user", question)], sampling).wait() for question in asked]
        assert [reply.text for reply in await asyncio.gather(*replies)] == expected
    finally:
        await engine.close()


@pytest.mark.parametrize("family", ["phimoe", "qwen3_next", "mamba2", "deepseek_v2"])
def test_an_adapter_sits_on_layers_that_peft_takes_by_their_names(family):
    """No router, no expert, no projection that a kernel passes by: what is trained is what is served."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(family), dtype=torch.float32)
    names = {name.rpartition(".")[2] for name in adaptable(model)}
    assert names
    assert not names & {"router", "gate", "conv1d", "experts"}
