"""Swaps under load: none may fail a reply or make a question wait, and no reply may be made by two adapters."""

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

__all__ = ["Judge", "PromotionTrial", "SwapTrial"]

_REPLY = Sampling(max_new_tokens=12, temperature=0)
_BETWEEN_S = 0.05  # enough for every question to be in the making again
_LONG = Sampling(max_new_tokens=400, temperature=0)
_SHORT = Sampling(max_new_tokens=4, temperature=0)


class SwapTrial:
    """Some questions, asked again and again while adapters A, B and the bare base take turns.

    `between` is the pause after a swap, in seconds; `strange` are the replies unlike what their adapter had said
    undisturbed.
    """

    def __init__(
        self, engine: Engine, adapters: Sequence[AdapterRef], questions: Sequence[str], between: float = _BETWEEN_S
    ) -> None:
        self._engine, self._questions, self._between = engine, questions, between
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
            await asyncio.sleep(self._between)
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


class PromotionTrial:
    """Questions right before and right after a promotion, beside as many replies of 400 tokens as there are questions.

    Adapters take turns.
    """

    def __init__(self, engine: Engine, adapters: Sequence[AdapterRef], questions: Sequence[str]) -> None:
        self._engine, self._adapters, self._questions = engine, adapters, questions
        self._over = False

    async def run(self, count: int) -> list[str]:
        """Lines that say when the first tokens came, over `count` promotions."""
        replies = [asyncio.create_task(self._reply(question)) for question in self._questions]
        before, after, late, waited = [], [], 0, []
        await self._ask(0)
        for number in range(count):
            adapter = self._adapters[(number + 1) % len(self._adapters)]
            before.append((await self._ask(2 * number + 1)).first_token_s)
            report = await self._engine.swap(adapter)
            answer = await self._ask(2 * number + 2)
            after.append(answer.first_token_s)
            waited.append(report.waited_s)
            late += answer.adapter != adapter.id
        self._over = True
        await asyncio.gather(*replies)
        return [
            f"{len(replies)} replies of {_LONG.max_new_tokens} tokens in flight, {count} promotions:",
            f"first token of a question before one: {_spread(before)}",
            f"first token of a question after one: {_spread(after)}; {late} by the adapter before",
            f"a promotion waited for a free slot or the end of a step: {_spread(waited)}",
        ]

    async def _reply(self, question: str) -> None:
        """Keep a long reply in the making."""
        while not self._over:
            await self._engine.submit([Message("user", question)], _LONG, channel=question).wait()

    async def _ask(self, number: int) -> Completion:
        """A question that begins unlike any before, so that no row lends its beginning."""
        return await self._engine.submit([Message("user", f"{number} {self._questions[0]}")], _SHORT).wait()


def _spread(seconds: Sequence[float]) -> str:
    ms = sorted(1000 * one for one in seconds)
    return f"{statistics.median(ms):.1f} ms ({ms[0]:.1f}, {ms[-1]:.1f})"


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
