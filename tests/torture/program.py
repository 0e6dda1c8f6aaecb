"""Starts `nightshift run` in a process of its own, with Discord on the loopback and an engine without a model.

Everything else is the program itself: settings, token, login, store, client, outbox. The engine answers with the last
word of the question, repeated, one word every few milliseconds, so that a fault can come in the middle of an answer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import types
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

WORDS, PAUSE_S = 12, 0.03


def answer_to(question: str) -> str:
    """What the engine says to a question."""
    return " ".join([question.rsplit(maxsplit=1)[-1]] * WORDS)


def main() -> None:
    """Arguments: the base of the HTTP interface, the address of the gateway, then those of the program."""
    base, gateway, *arguments = sys.argv[1:]
    import discord
    import yarl

    discord.http.Route.BASE = base
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    sys.modules["model.engine"] = _engine_module()
    from bot.cli.main import run

    sys.exit(run(arguments))


def _count_tasks(file: Path) -> None:
    """Write down how many tasks there are: only the process itself knows.

    discord.py keeps a timer of 15 minutes for each private message with a menu, such as that below a rejection. Those
    are as many as there were rejections in that time, and are not counted.
    """
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    file.write_text(str(sum("timeout_task" not in name for name in names)), encoding="utf-8")


def _engine_module() -> types.ModuleType:
    from model.chat import Message
    from tests.fake_engine import FakeEngine, FakeGeneration

    class SlowGeneration(FakeGeneration):
        async def __aiter__(self) -> AsyncIterator[str]:
            async for word in super().__aiter__():
                await asyncio.sleep(PAUSE_S)
                yield word

    class SlowEngine(FakeEngine):
        def __init__(self) -> None:
            super().__init__()
            self.max_queue = 64

        def submit(self, messages: Sequence[Message], sampling: Any = None, *, channel: str = "") -> Any:
            del sampling, channel
            return SlowGeneration(self, answer_to(messages[-1].content))

        @classmethod
        async def start(cls, *_args: Any) -> SlowEngine:
            if file := os.environ.get("TORTURE_TASKS"):
                asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _count_tasks, Path(file))
            return cls()

        async def swap(self, adapter: Any) -> Any:
            self.idle.set()  # as the engine: a swap waits for no reply
            return await super().swap(adapter)

    module: Any = types.ModuleType("model.engine")
    module.Engine = SlowEngine
    return module


if __name__ == "__main__":
    main()
