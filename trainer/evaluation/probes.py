"""The probes a challenger answers before it may serve: held-out prompts, canaries, prompts that may draw secrets out.

Chooses the prompts and generates the answers; `trainer.evaluation.gate` judges them. The champion also answers a few
held-out prompts, for people to compare. It answers the canaries only where the challenger's answers alone would fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.chat import Message, encode_prompt
from storage.records import Pair
from trainer.canaries import canary_prompts
from trainer.evaluation.evaluate import GeneratedAnswer, generate_answers
from trainer.evaluation.evidence import Canaries, Leak, Sample, Secrets
from trainer.evaluation.leaks import PREFIXES, Secret, secrets_of
from trainer.evaluation.reply_checks import needs_champion
from trainer.settings import GateConfig
from trainer.training.qlora import CHALLENGER
from trainer.training.tokens import Example

__all__ = ["ProbeAnswers", "Probes", "ask_probes", "choose_probes"]

COMPARED = 4
"""Held-out prompts that the champion answers too: one more than the report shows, in case one is withdrawn."""


@dataclass(frozen=True)
class Probes:
    """The prompts, as text and as tokens.

    Attributes:
        samples: held-out prompts, the newest first, each as (reply id, text, token ids).
        canaries: (text, token ids) of each canary prompt.
        leak_prompts: (text, token ids) of prompts that may draw a secret out.
        secrets: those of the training data.
        longest: characters of the longest reply that a person approved.
        max_new_tokens: where an answer is cut off.
    """

    samples: tuple[tuple[int, str, Sequence[int]], ...]
    canaries: tuple[tuple[str, Sequence[int]], ...]
    leak_prompts: tuple[tuple[str, Sequence[int]], ...]
    secrets: tuple[Secret, ...]
    longest: int
    max_new_tokens: int


@dataclass(frozen=True)
class ProbeAnswers:
    """The answers, for the gate."""

    samples: tuple[Sample, ...]
    canaries: Canaries
    secrets: Secrets


def choose_probes(
    tokenizer: Any,
    config: GateConfig,
    *,
    persona: str,
    learned: Sequence[Pair],
    examples: Mapping[int, Example],
    judging: Sequence[Example],
    holdout: Mapping[int, Pair],
) -> Probes:
    """Choose the prompts. Uses no model.

    Args:
        tokenizer: the base's.
        config: how many of each, and the operator's own.
        persona: the system prompt that the bot answers under.
        learned: the pairs that were trained on; only the bot's side of them can have been learned.
        examples: those pairs as tokens, by reply id.
        judging: the held-out pairs as tokens, oldest first.
        holdout: the held-out pairs by reply id.
    """

    def asked(words: str) -> tuple[str, Sequence[int]]:
        system = [Message("system", persona)] if persona else []
        return words, encode_prompt(tokenizer, [*system, Message("user", words)])

    newest = judging[::-1][: config.samples]
    samples = [(one.reply_id, holdout[one.reply_id].turns[-1].content, one.ids[: one.prompt_length]) for one in newest]
    canaries = [asked(prompt) for prompt in canary_prompts(config.canaries)]
    secrets = secrets_of(learned, config.allowed) if config.secret_probes else []
    turns = {pair.reply_id: pair.turns for pair in learned}
    leaks = [asked(prefix) for prefix in PREFIXES] if secrets else []
    for secret in secrets[-config.secret_probes :]:
        if (example := examples.get(secret.reply_id)) is not None:
            words = "\n".join(turn.content for turn in turns[secret.reply_id])
            leaks.append((words, example.ids[: example.prompt_length]))
        if secret.lead and not secret.is_in(secret.lead):
            leaks.append(asked(secret.lead))
    # A reply twice as long as any a person approved has failed to stop; waiting longer tells nothing more.
    approved = [pair.completion for pair in (*learned, *holdout.values())]
    tokens = max(len(one.ids) - one.prompt_length for one in (*judging, *examples.values()))
    return Probes(
        samples=tuple(samples),
        canaries=tuple(canaries),
        leak_prompts=tuple(leaks),
        secrets=tuple(secrets),
        longest=max(map(len, approved)),
        max_new_tokens=min(config.sample_tokens, 2 * tokens),
    )


def ask_probes(model: Any, rival: str | None, tokenizer: Any, probes: Probes, config: GateConfig) -> ProbeAnswers:
    """Let the challenger answer, and the champion (`rival`; None is the bare base) where its answer is needed."""

    def answers(who: str | None, prompts: Sequence[Sequence[int]], *, seed: int | None = None) -> list[GeneratedAnswer]:
        if not prompts:
            return []
        return generate_answers(model, who, tokenizer, prompts, max_new_tokens=probes.max_new_tokens, seed=seed)

    words = [words for words, _ in probes.canaries]
    canary_ids = [ids for _, ids in probes.canaries]

    def canaries_of(who: str | None, greedy: Sequence[GeneratedAnswer]) -> tuple[Sample, ...]:
        drawn = answers(who, canary_ids * config.canary_samples, seed=config.seed)
        prompts = words * (1 + config.canary_samples)
        replies = zip(prompts, (*greedy, *drawn), strict=True)
        return tuple(Sample(prompt, reply.text, reply.stopped) for prompt, reply in replies)

    held_out = [ids for _, _, ids in probes.samples]
    # One batch for all greedy answers: the longest one decides the time.
    ours = answers(CHALLENGER, [*held_out, *canary_ids, *(ids for _, ids in probes.leak_prompts)])
    first, last = len(held_out), len(held_out) + len(canary_ids)
    canaries = Canaries(canaries_of(CHALLENGER, ours[first:last]), longest=probes.longest)
    theirs = answers(rival, held_out[:COMPARED])
    if needs_champion(canaries.challenger, probes.longest, config):
        champion = canaries_of(rival, answers(rival, canary_ids))
        canaries = Canaries(canaries.challenger, champion, probes.longest)
    samples = tuple(
        Sample(prompt, reply.text, reply.stopped, theirs[number].text if number < len(theirs) else None, reply_id)
        for number, ((reply_id, prompt, _), reply) in enumerate(zip(probes.samples, ours[:first], strict=True))
    )
    probed = [
        Sample(prompt, one.text, one.stopped) for (prompt, _), one in zip(probes.leak_prompts, ours[last:], strict=True)
    ]
    return ProbeAnswers(samples, canaries, _judged(probes.secrets, (*samples, *canaries.challenger, *probed)))


def _judged(secrets: Sequence[Secret], replies: Sequence[Sample]) -> Secrets:
    leaks = [
        Leak(secret.kind, secret.reply_id)
        for secret in secrets
        if any(secret.is_in(reply.text) and not secret.is_in(reply.prompt) for reply in replies)
    ]
    return Secrets(len(secrets), len(replies) if secrets else 0, tuple(leaks))
