"""Starts a training run in a process of its own and waits for it: a crash or lack of memory there stays there.

Light to import; torch is loaded by the child alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from storage.home import Home
from storage.store import Store
from trainer.environment import without_secrets
from trainer.result import RunResult
from trainer.resumption import can_go_on

__all__ = ["RunResult", "run_training"]

_PATIENCE_S = 30.0
"""How long a child that was asked to stop may take to close its run."""
_LINE_LIMIT = 1 << 20


async def run_training(
    home: Path,
    *,
    force: bool = False,
    trigger: str = "manual",
    local_date: str | None = None,
    on_line: Callable[[str], None] | None = None,
) -> RunResult:
    """Make one run in a child process. Cancelling this stops the child and waits for it.

    Args:
        home: the state directory.
        force: train even if little is new.
        trigger: who wanted it: "manual", "schedule" or "discord".
        local_date: the night the run belongs to, as 2026-11-23; today's by default.
        on_line: hears each line of progress; without it the child writes to this process's stderr, with a bar
            if that is a terminal.
    """
    command = [sys.executable, "-P", "-m", "trainer", "--home", str(home), "--trigger", trigger, "--json"]
    command += ["--force"] if force else []
    command += ["--local-date", local_date] if local_date else []
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if on_line else None,
        env={**without_secrets(os.environ), "PYTHONPATH": _python_path()},
        limit=_LINE_LIMIT,
    )
    try:
        output, _ = await asyncio.gather(_read_all(child.stdout), _forward(child.stderr, on_line))
        code = await child.wait()
    except BaseException:
        await _stop(child)
        raise
    try:
        return RunResult.from_json(output.strip().splitlines()[-1])
    except (ValueError, KeyError, IndexError):
        return await asyncio.to_thread(_close_dead_run, home, child.pid, _how_it_died(code))


async def _read_all(stream: asyncio.StreamReader | None) -> str:
    return (await stream.read()).decode(errors="replace") if stream else ""


async def _forward(stream: asyncio.StreamReader | None, on_line: Callable[[str], None] | None) -> None:
    if stream is None or on_line is None:
        return
    while line := await stream.readline():
        on_line(line.decode(errors="replace").rstrip())


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        await asyncio.wait_for(child.wait(), _PATIENCE_S)
    except TimeoutError:
        child.kill()
        await child.wait()


def _close_dead_run(home: Path, pid: int, how: str) -> RunResult:
    """The child left no result: close its run, so that nobody waits for it, unless it can be gone on with."""
    reason = f"The training process {how}; nothing was published."
    with Store.open(Home(home).db) as store:
        for run in store.runs(limit=5):
            if run.pid == pid and run.outcome is None:
                if can_go_on(Home(home), run.id):
                    return RunResult(
                        run.id, "failed", f"The training process {how}; the run goes on at the next start."
                    )
                store.finish_run(run.id, "failed", reason)
                return RunResult(run.id, "failed", reason)
    return RunResult(None, "failed", reason)


def _how_it_died(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed, perhaps because memory ran out"
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with exit code {code} and no result"


def _python_path() -> str:
    """Where this package was found comes first; `-P` keeps the working directory out of it."""
    ours = str(Path(__file__).resolve().parent.parent)
    return os.pathsep.join(filter(None, [ours, os.environ.get("PYTHONPATH", "")]))
