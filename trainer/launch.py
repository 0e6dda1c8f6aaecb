"""Starts a training run in a process of its own and waits for it: a crash or lack of memory there stays there.

Light to import; torch is loaded by the child alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from storage.files.home import Home
from storage.store import Store
from trainer.environment import without_secrets
from trainer.lock import holder_of
from trainer.result import RunResult, result_of
from trainer.resume import can_resume

__all__ = ["RunResult", "run_training"]

_log = logging.getLogger(__name__)

_GRACE_S = 5.0
"""How long a child that was asked to stop may take to close its run: a container is killed 10 s after SIGTERM."""
_LOOK_S = 2.0
_BEGINNING_S = 300.0
"""How long a child may take until it holds the lock and can be watched."""
_LINE_LIMIT = 1 << 20


async def run_training(
    home: Path,
    *,
    force: bool = False,
    trigger: str = "manual",
    local_date: str | None = None,
    server: int | None = None,
    on_line: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> RunResult:
    """Make one run in a child process. Cancelling this stops the child and waits for it.

    Args:
        home: the state directory.
        force: train even if little is new.
        trigger: who wanted it: "manual", "schedule" or "discord".
        local_date: the night the run belongs to, as 2026-11-23; today's by default.
        server: the id of the server whose own voice is trained; None: the one voice of all servers.
        on_line: hears each line of progress; without it the child writes to this process's stderr, with a bar
            if that is a terminal.
        environment: variables for the child, besides this process's.
    """
    command = [sys.executable, "-P", "-m", "trainer", "--home", str(home), "--trigger", trigger, "--json"]
    command += ["--force"] if force else []
    command += ["--local-date", local_date] if local_date else []
    command += ["--server", str(server)] if server is not None else []
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if on_line else None,
        env={**without_secrets(os.environ), **(environment or {}), "PYTHONPATH": _python_path()},
        limit=_LINE_LIMIT,
    )
    watchdog = asyncio.create_task(_end_if_it_hangs(child, Home(home).runs / "lock"))
    try:
        output, _ = await asyncio.gather(_read_all(child.stdout), _forward(child.stderr, on_line))
        code = await child.wait()
    except BaseException:
        await _stop(child)
        raise
    finally:
        watchdog.cancel()
        (hung,) = await asyncio.gather(watchdog, return_exceptions=True)
    try:
        return RunResult.from_json(output.strip().splitlines()[-1])
    except (ValueError, KeyError, IndexError):
        how = "stopped responding and was ended" if hung is True else _how_it_died(code)
        return await asyncio.to_thread(_close_dead_run, home, child.pid, how)


async def _end_if_it_hangs(child: asyncio.subprocess.Process, lock: Path) -> bool:
    """Wait until the child stops responding, and kill it; returns whether it did."""
    began = time.monotonic()
    while child.returncode is None:
        await asyncio.sleep(_LOOK_S)
        try:
            holder = await asyncio.to_thread(holder_of, lock)
        except OSError:  # cannot be read at the moment: nothing is known
            _log.warning("The lock %s cannot be read", lock, exc_info=True)
            continue
        theirs = holder is not None and holder.pid == child.pid
        late = holder is None and time.monotonic() - began > _BEGINNING_S
        if child.returncode is None and (late or (theirs and holder is not None and holder.hangs)):
            _log.error("The training process %d hangs and is ended", child.pid)
            child.kill()
            return True
    return False


async def _read_all(stream: asyncio.StreamReader | None) -> str:
    return (await stream.read()).decode(errors="replace") if stream else ""


async def _forward(stream: asyncio.StreamReader | None, on_line: Callable[[str], None] | None) -> None:
    if stream is None or on_line is None:
        return
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than the limit: its rest comes as a line of its own
            continue
        if not line:
            return
        try:
            on_line(line.decode(errors="replace").rstrip())
        except Exception:  # noqa: BLE001 - a line that cannot be shown does not end a run
            _log.exception("A line of progress could not be passed on")


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        await asyncio.wait_for(child.wait(), _GRACE_S)
    except TimeoutError:
        child.kill()
        await child.wait()


def _close_dead_run(home: Path, pid: int, how: str) -> RunResult:
    """The child left no result: close its run, so that nobody waits for it, unless it can resume."""
    reason = f"The training process {how}; nothing was published."
    with Store.open(Home(home).db) as store:
        for run in store.runs(limit=5):
            if run.pid == pid and run.outcome is not None:
                return result_of(run)  # it died when all was done
            if run.pid == pid:
                if can_resume(Home(home), run.id):
                    reason = f"The training process {how}; the run will resume at the next start."
                    return RunResult(run.id, "failed", reason)
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
