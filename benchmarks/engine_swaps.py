"""Swaps under load: none may fail a reply, and no reply may be made by two adapters."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from model.base.loading import load_base
from model.chat import Message, encode_prompt
from model.config import ModelConfig
from model.engine import Engine
from model.protocol import AdapterRef, Completion, Sampling

__all__ = ["Judge", "SwapTrial"]

_REPLY = Sampling(max_new_tokens=12, temperature=0)
_BETWEEN_S = 0.05  # enough for every question to be in the making again


class SwapTrial:
    """Some questions, asked again and again while adapters A, B and the bare base take turns.

    `strange` are the replies unlike what their adapter had said undisturbed.
    """

    def __init__(self, engine: Engine, adapters: Sequence[AdapterRef], questions: Sequence[str]) -> None:
        self._engine, self._questions = engine, questions
        self._choices: tuple[AdapterRef | None, ...] = (*adapters, None)
        self.strange: list[tuple[str, Completion]] = []

    async def run(self, count: int) -> dict[str, Any]:
        """Swap `count` times; gives counts and pauses."""
        said = await self._undisturbed()
        replies: list[tuple[str, Completion]] = []
        failures: list[str] = []
        over = False

        async def chat(question: str) -> None:
            while not over:
                try:
                    replies.append((question, await self._ask(question)))
                except Exception as error:  # noqa: BLE001 - counted
                    failures.append(f"{type(error).__name__}: {error}")

        chats = [asyncio.create_task(chat(question)) for question in self._questions]
        pauses = []
        for number in range(count):
            report = await self._engine.swap(self._choices[number % len(self._choices)])
            pauses.append(1e3 * report.pause_s)
            await asyncio.sleep(_BETWEEN_S)
        over = True
        await asyncio.gather(*chats)
        self.strange = [(asked, reply) for asked, reply in replies if reply.text not in said[asked, reply.adapter]]
        return {
            "count": count,
            "replies": len(replies),
            "failed": len(failures),
            "failures": failures[:3],
            "unlike_before": len(self.strange),
            "pause_ms": {"median": statistics.median(pauses), "most": max(pauses)},
        }

    async def _undisturbed(self) -> dict[tuple[str, str | None], set[str]]:
        """What each adapter says to each question, alone and beside the others."""
        said: dict[tuple[str, str | None], set[str]] = {}
        for choice in self._choices:
            await self._engine.swap(choice)
            alone = [await self._ask(question) for question in self._questions]
            together = await asyncio.gather(*map(self._ask, self._questions))
            for answers in (alone, together):
                for question, answer in zip(self._questions, answers, strict=True):
                    said.setdefault((question, answer.adapter), set()).add(answer.text)
        return said

    async def _ask(self, question: str) -> Completion:
        return await self._engine.submit([Message("user", question)], _REPLY).wait()


class Judge:
    """PEFT on a base of its own, with both adapters.

    Rounding lets near-ties fall otherwise beside other replies. Each token of an honest reply is the likeliest by its
    adapter, or within a tenth of the spread of all scores; after a swap within a reply it is not.
    """

    def __init__(self, config: ModelConfig, cache: Path, adapters: Sequence[AdapterRef]) -> None:
        self._base = load_base(config, cache)
        first, *others = adapters
        self._model = PeftModel.from_pretrained(self._base.model, first.path, adapter_name=first.id)
        for adapter in others:
            self._model.load_adapter(adapter.path, adapter_name=adapter.id)
        self._model.eval()

    def mixed(self, replies: Sequence[tuple[str, Completion]]) -> int:
        """How many of these replies, each with its question, their adapter would not have given."""
        return sum(not self._honest(question, reply) for question, reply in replies)

    def _honest(self, question: str, reply: Completion) -> bool:
        tokenizer = self._base.tokenizer
        prompt = encode_prompt(tokenizer, [Message("user", question)])
        answer = tokenizer(reply.text, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([prompt + answer], device=self._base.device)
        with torch.inference_mode():
            if reply.adapter is None:
                with self._model.disable_adapter():
                    scores = self._model(input_ids=ids).logits
            else:
                self._model.set_adapter(reply.adapter)
                scores = self._model(input_ids=ids).logits
        scores = scores[0, len(prompt) - 1 : -1].float()
        behind = scores.max(-1).values - scores.gather(1, ids[0, len(prompt) :, None])[:, 0]
        return not bool((behind > 0.1 * scores.std(-1)).any())
