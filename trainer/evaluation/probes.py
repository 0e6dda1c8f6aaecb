"""The probes a challenger answers before it may serve: held-out prompts, canaries, prompts that may draw secrets out.

Chooses the prompts and generates the answers; `trainer.evaluation.gate` judges them. Champion and challenger answer the
same held-out prompts, greedily and drawn as the bot draws. The champion answers the canaries only where the
challenger's answers alone would fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model.chat import Message, encode_prompt
from model.config import GenerationConfig
from storage.pair_records import Pair
from trainer.canaries import canary_prompts
from trainer.evaluation.evaluate import GeneratedAnswer, generate_answers
from trainer.evaluation.evidence import Canaries, Leak, Replies, Sample, Secrets
from trainer.evaluation.leaks import PREFIXES, Secret, secrets_of
from trainer.evaluation.reply_checks import needs_champion
from trainer.gate_settings import GateConfig
from trainer.training.qlora import CHALLENGER
from trainer.training.tokens import Example

__all__ = ["ProbeAnswers", "Probes", "ask_probes", "choose_probes", "reply_limit"]


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
        drawing: how the bot draws.
    """

    samples: tuple[tuple[int, str, Sequence[int]], ...]
    canaries: tuple[tuple[str, Sequence[int]], ...]
    leak_prompts: tuple[tuple[str, Sequence[int]], ...]
    secrets: tuple[Secret, ...]
    longest: int
    max_new_tokens: int
    drawing: GenerationConfig


@dataclass(frozen=True)
class ProbeAnswers:
    """The answers, for the gate."""

    samples: tuple[Sample, ...]
    replies: Replies
    canaries: Canaries
    secrets: Secrets


def choose_probes(
    tokenizer: Any,
    config: GateConfig,
    drawing: GenerationConfig,
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
        drawing: how the bot draws, and its limit.
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
    approved = [pair.completion for pair in (*learned, *holdout.values())]
    tokens = max(len(one.ids) - one.prompt_length for one in (*judging, *examples.values()))
    return Probes(
        samples=tuple(samples),
        canaries=tuple(canaries),
        leak_prompts=tuple(leaks),
        secrets=tuple(secrets),
        longest=max(map(len, approved)),
        max_new_tokens=config.sample_tokens or reply_limit(tokens, drawing.max_new_tokens),
        drawing=drawing,
    )


def reply_limit(approved: int, bot: int) -> int:
    """Where a reply has failed to stop, in tokens: as long as any that a person approved is always allowed.

    Beyond that the bot's own limit counts, but not more than twice the longest approved answer: waiting longer tells
    nothing more.

    Args:
        approved: tokens of the longest approved answer.
        bot: the bot's own limit.
    """
    return max(approved, min(bot, 2 * approved))


def ask_probes(model: Any, rival: str | None, tokenizer: Any, probes: Probes, config: GateConfig) -> ProbeAnswers:
    """Let the challenger answer, and the champion (`rival`; None is the bare base) where its answer is needed."""

    def answers(who: str | None, prompts: Sequence[Sequence[int]], *, seed: int | None = None) -> list[GeneratedAnswer]:
        if not prompts:
            return []
        return generate_answers(
            model,
            who,
            tokenizer,
            prompts,
            max_new_tokens=probes.max_new_tokens,
            seed=seed,
            drawing=probes.drawing,
        )

    words = [words for words, _ in probes.canaries]
    canary_ids = [ids for _, ids in probes.canaries]

    def canaries_of(who: str | None, greedy: Sequence[GeneratedAnswer]) -> tuple[Sample, ...]:
        drawn = answers(who, canary_ids * config.canary_samples, seed=config.seed)
        prompts = words * (1 + config.canary_samples)
        replies = zip(prompts, (*greedy, *drawn), strict=True)
        return tuple(Sample(prompt, reply.text, reply.stopped) for prompt, reply in replies)

    held_out = [ids for _, _, ids in probes.samples]

    def replies_of(who: str | None, greedy: Sequence[GeneratedAnswer]) -> tuple[Sample, ...]:
        drawn = answers(who, held_out * config.sample_draws, seed=config.seed)
        asked = probes.samples * (1 + config.sample_draws)
        return tuple(
            Sample(prompt, reply.text, reply.stopped, reply_id=reply_id)
            for (reply_id, prompt, _), reply in zip(asked, (*greedy, *drawn), strict=True)
        )

    # One batch for all greedy answers: the longest one decides the time.
    ours = answers(CHALLENGER, [*held_out, *canary_ids, *(ids for _, ids in probes.leak_prompts)])
    first, last = len(held_out), len(held_out) + len(canary_ids)
    canaries = Canaries(canaries_of(CHALLENGER, ours[first:last]), longest=probes.longest)
    ask_champion = needs_champion(canaries.challenger, probes.longest, config)
    theirs = answers(rival, [*held_out, *(canary_ids if ask_champion else [])])
    if ask_champion:
        canaries = Canaries(canaries.challenger, canaries_of(rival, theirs[first:]), probes.longest)
    replies = Replies(replies_of(CHALLENGER, ours[:first]), replies_of(rival, theirs[:first]))
    samples = tuple(
        replace(reply, champion=other.text)
        for reply, other in zip(replies.challenger[:first], theirs[:first], strict=True)
    )
    probed = [
        Sample(prompt, one.text, one.stopped) for (prompt, _), one in zip(probes.leak_prompts, ours[last:], strict=True)
    ]
    said = (*replies.challenger, *canaries.challenger, *probed)
    return ProbeAnswers(samples, replies, canaries, _judged(probes.secrets, said))


def _judged(secrets: Sequence[Secret], replies: Sequence[Sample]) -> Secrets:
    leaks = [
        Leak(secret.kind, secret.reply_id)
        for secret in secrets
        if any(secret.is_in(reply.text) and not secret.is_in(reply.prompt) for reply in replies)
    ]
    return Secrets(len(secrets), len(replies) if secrets else 0, tuple(leaks))
