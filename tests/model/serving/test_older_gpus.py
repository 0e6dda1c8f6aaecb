"""GPUs before sm_80 compute in fp16, without the kernels that want bf16. Forced on a newer one; needs a GPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from peft import PeftModel

from model.chat import Message, encode_prompt
from model.protocol import Sampling
from tests.model.serving.test_exactness import LENGTHS, QUESTIONS, answers, read

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.mark.parametrize("family", ["llama", "qwen3"])
async def test_greedy_answers_in_fp16_equal_generate_with_peft(tiny_of, start, family):
    """One after the other and all at once, with the model's own modules."""
    tiny = tiny_of(family)
    tiny = replace(tiny, config=replace(tiny.config, device="cuda", dtype="float16"))
    base = tiny.load()
    assert base.dtype == torch.float16
    model = PeftModel.from_pretrained(base.model, str(tiny.a.path)).eval()
    expected = []
    for question, length in zip(QUESTIONS, LENGTHS, strict=True):
        prompt = torch.tensor([encode_prompt(base.tokenizer, [Message("user", question)])], device="cuda")
        with torch.inference_mode(), torch.autocast("cuda", torch.float16):
            out = model.generate(
                input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=length, do_sample=False
            )
        expected.append(read(base.tokenizer, out[0, prompt.shape[1] :].tolist()))
    engine = await start(tiny, tiny.a)
    assert await answers(engine, at_once=False) == expected
    assert await answers(engine, at_once=True) == expected
    sampled = engine.submit([Message("user", "Hello")], Sampling(max_new_tokens=8, temperature=0.8, seed=3))
    assert (await sampled.wait()).text
