"""The fused step with adapters of several ranks at once, against the modules in fp32; on a GPU if there is one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from model.adapter.bank import BARE
from model.adapter.slots import AdapterSlots
from model.base.loading import load_base
from model.config import ModelConfig
from model.protocol import Sampling
from model.serving.decoder import Decoder
from tests.tiny import FUSED, random_adapter, tiny_model, tiny_tokenizer

ON_GPU = torch.cuda.is_available()
ROWS = [(0, 5), (1, 40), (2, 100), (BARE, 33), (1, 180), (0, 150)]  # slot, tokens of the prompt
MANY = ROWS * 6 + ROWS[1:5]  # more than a product on a GPU takes at once
RANKS = (16, 8, 4)
SHAPE = {"hidden_size": 256, "intermediate_size": 512, "head_dim": 64, "num_hidden_layers": 3}
GREEDY = Sampling(temperature=0)


def prompt_of(row: int, tokens: int) -> list[int]:
    return torch.randint(3, 500, (tokens,), generator=torch.Generator().manual_seed(row)).tolist()


@pytest.mark.parametrize(
    ("family", "rows", "changes"),
    [
        *((family, ROWS, {}) for family in FUSED),
        ("llama", MANY, {}),
        ("phi3", ROWS, {"hidden_size": 512, "head_dim": 128}),  # of which 96 are turned, as in Phi 4 mini
        ("gemma3", ROWS, {"head_dim": 256}),
    ],
)
def test_every_row_has_the_scores_of_its_own_adapter(tmp_path, family, rows, changes):
    """After prompts of many lengths and captured steps, while a slot that no row reads is written."""
    dtype = torch.bfloat16 if ON_GPU else torch.float32
    rounding = 0.05 if changes.get("head_dim") == 256 else 0.03  # of bf16, see docs/lab/performance.md
    most = rounding if ON_GPU else 0.01
    tiny_model(family, **(SHAPE | changes)).to(dtype).save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    config = replace(
        ModelConfig(base=str(tmp_path / "base")), context_tokens=256, slots=max(8, len(rows)), adapter_slots=4
    )
    decoder = Decoder(load_base(config, tmp_path), config)
    plain = load_base(replace(config, dtype="float32"), tmp_path)  # in bf16 the modules are further off themselves
    slots = AdapterSlots(plain.model, 3, 16, plain.dtype, plain.device)
    with torch.inference_mode():
        decoder.warm_up()
        for slot, rank in enumerate(RANKS):
            weights = random_adapter(decoder.slots.shapes, rank, slot)
            decoder.write_adapter(slot, decoder.slots.stage(weights))
            slots.write(slot, slots.stage(weights))
        said = []
        for row, (slot, length) in enumerate(rows):
            prompt = prompt_of(row, length)
            cached = decoder.begin(row, prompt, GREEDY, 0, slot)
            first = decoder.prefill(row, prompt[cached:], cached, last=True)
            assert first is not None
            said.append([*prompt, first.token])
        for step in range(6):
            decoder.launch([tokens[-1] for tokens in said])
            for tokens, sampled in zip(said, decoder.collect(), strict=True):
                tokens.append(sampled.token)
            if step == 3:
                decoder.write_adapter(3, decoder.slots.stage(random_adapter(decoder.slots.shapes, 16, 9)))

        def modules(tokens: list[int], slot: int) -> torch.Tensor:
            slots.activate(slot)
            ids = torch.tensor([tokens], device=plain.device)
            return plain.model(input_ids=ids, use_cache=False).logits[0].float()

        assert decoder._fused is not None
        found = decoder._fused(decoder._tokens[: len(rows)], decoder._adapters.step).float()
        for row, (tokens, (slot, count)) in enumerate(zip(said, rows, strict=True)):
            own = modules(tokens, slot)
            assert float((found[row] - own[-1]).norm() / own[-1].norm()) < most
            scores, chosen = own[count - 1 : -1], torch.tensor(tokens[count:], device=plain.device)
            behind = scores.max(-1).values - scores.gather(1, chosen[:, None])[:, 0]
            assert float((behind / scores.std(-1)).max()) < 0.1, "a token that its adapter would not say"
            others = [modules(tokens, other)[-1] for other in (0, 1, 2, BARE) if other != slot]
            assert min(float((other - own[-1]).norm() / own[-1].norm()) for other in others) > 0.1
