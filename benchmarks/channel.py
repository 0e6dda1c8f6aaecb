"""How much of a channel's prompts is not computed again: a conversation replayed in a simulated Discord.

    make bench
    python -m benchmarks.channel --base embedded --messages 200

Five members talk, every few messages somebody mentions the bot, and its answers are part of what follows. The real bot
reads its history and the real engine answers, once as it is and once with everything forgotten before each prompt.
Prints a table; the last line is the same as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.app import Nightshift
from bot.settings import load_settings
from bot.simulation.server import World, simulate, simulated
from model.chat import Message
from model.engine import Engine, Generation
from model.protocol import DEFAULT_SAMPLING, Completion, Sampling
from storage.files.home import Home

PERSONA = (
    "You are Nightshift, a member of this server. You like boats and tools, you are brief, and you are never rude."
)
_WHO = ("the lighthouse keeper", "my sister", "the old carpenter", "our neighbour", "somebody at work", "the captain")
_DOES = ("repairs", "paints", "sold", "wants to borrow", "forgot about", "is looking for", "wrote to me about")
_WHAT = (
    "a wooden boat",
    "the kitchen table",
    "two broken clocks",
    "that map of the coast",
    "a bag of nails",
    "the dog",
)
_WHEN = (
    "again",
    "since Sunday",
    "before the storm",
    "for the third time this week",
    "without telling anybody",
    "today",
)
_ASKS = ("what would you do?", "is that a good idea?", "which wood is best for that?", "who was right?", "and you?")
_MOST_BETWEEN = 5  # messages of members between two that mention the bot


class CountingEngine:
    """The engine, and every generation it was asked for; with `forget`, nothing is left from the prompt before."""

    def __init__(self, engine: Engine, *, forget: bool) -> None:
        self._engine, self._forget = engine, forget
        self.generations: list[Generation] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def submit(
        self, messages: Sequence[Message], sampling: Sampling = DEFAULT_SAMPLING, *, channel: str = ""
    ) -> Generation:
        decoder = self._engine._worker.decoder  # noqa: SLF001 - one channel: the worker waits for this prompt
        if self._forget and decoder is not None:
            decoder._prefixes.forget()  # noqa: SLF001
        self.generations.append(self._engine.submit(messages, sampling, channel=channel))
        return self.generations[-1]


async def talk(world: World, me: str, messages: int, seed: int = 0) -> None:
    """Members talk in #general until it has so many messages, the bot's answers among them."""
    draw, channel = random.Random(seed), world.general
    people, quiet = [*world.members, world.moderator], 0
    while len(world.env.backend.messages[channel.id]) < messages:
        said = " ".join(map(draw.choice, (_WHO, _DOES, _WHAT, _WHEN)))
        if quiet:
            quiet -= 1
            await draw.choice(people).send(channel, f"{said}.")
        else:
            quiet = draw.randint(1, _MOST_BETWEEN)
            await draw.choice(people).send(channel, f"{me} {said}, {draw.choice(_ASKS)}")


async def measure(home: Home, options: argparse.Namespace, *, forget: bool) -> dict[str, float]:
    """One replay; returns its figures."""
    found = simulated(load_settings(home))
    settings = found.model_copy(
        update={
            "persona": PERSONA,
            "model": replace(found.model, base=options.base),
            "generation": replace(found.generation, max_new_tokens=options.tokens, temperature=0.0),
            "discord": replace(found.discord, context_messages=options.window or found.discord.context_messages),
            "privacy": replace(found.privacy, introduce=False),
        }
    )
    engine = CountingEngine(await Engine.start(settings.model, home.models), forget=forget)
    async with Nightshift.open(home, settings, engine=engine) as app, simulate(app.client) as world:
        assert app.client.user is not None  # noqa: S101 - it is logged in
        await talk(world, app.client.user.mention, options.messages)
        done = [await one.wait() for one in engine.generations]
    await engine.close()
    return figures(done)


def figures(done: Sequence[Completion]) -> dict[str, float]:
    """What the prompts took."""
    prompt = sum(one.prompt_tokens for one in done)
    return {
        "prompts": len(done),
        "prompt tokens": prompt,
        "median prompt": statistics.median(one.prompt_tokens for one in done),
        "not computed again, %": 100 * sum(one.cached_tokens for one in done) / prompt,
        "median first token, ms": 1000 * statistics.median(one.first_token_s for one in done),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="embedded", help="the base model (default %(default)s)")
    parser.add_argument("--messages", type=int, default=200, help="of the channel (default %(default)s)")
    parser.add_argument("--tokens", type=int, default=40, help="most new tokens of an answer (default %(default)s)")
    parser.add_argument("--window", type=int, default=0, help="context_messages (default: the bot's own)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        models.mkdir()
        arms = {}
        for name, forget in (("with reuse", False), ("without", True)):
            home = Home(Path(folder) / name).ensure()
            home.models.rmdir()
            home.models.symlink_to(models)
            arms[name] = asyncio.run(measure(home, options, forget=forget))
    print(f"{'a replayed channel':28}" + "".join(f"{name:>14}" for name in arms))
    for figure in arms["without"]:
        print(f"{figure:28}" + "".join(f"{arm[figure]:14,.0f}" for arm in arms.values()))
    print(json.dumps({name: {key: round(value, 1) for key, value in arm.items()} for name, arm in arms.items()}))


if __name__ == "__main__":
    main()
