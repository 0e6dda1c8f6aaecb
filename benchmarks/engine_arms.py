"""What is measured, each in a process of its own: our engine and transformers as children, the others as servers.

Knows processes and the network, and no model: the children's side is benchmarks/engine_child.py.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

__all__ = ["Arm", "ArmFailed", "ChildArm", "Measurement", "ServerArm", "llama_server", "vllm_server"]

_START_S = 600.0


class ArmFailed(Exception):
    """An arm cannot be started, or did not answer; str is the reason."""


@dataclass(frozen=True)
class Measurement:
    """One batch of replies. `first_token_s` is the median over the batch."""

    tokens: int
    seconds: float
    first_token_s: float

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds


class Arm(Protocol):
    """Something that answers a batch of prompts."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, prompts: list[list[int]], tokens: int) -> Measurement:
        """Answer prompts (token ids) at once, greedily, `tokens` new tokens each. Raises ArmFailed."""
        ...

    def peak_bytes(self) -> int:
        """The most memory held since the arm had started: of the GPU where it uses one, else of its processes."""
        ...


class ChildArm:
    """A child process of benchmarks/engine_child.py, asked by lines of JSON."""

    def __init__(self, role: str, made: dict[str, Any]) -> None:
        self._role, self._made = role, made

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-m", "benchmarks.engine_child", self._role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # As `nightshift run` sets it; the peers keep their own ways.
            env=os.environ | ({"OMP_WAIT_POLICY": "passive"} if self._role == "engine" else {}),
        )
        if self._made:
            self.ask("start", made=self._made)
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._process)

    def ask(self, command: str, **arguments: Any) -> Any:
        """Give a command; raises ArmFailed with the child's own words."""
        assert self._process.stdin  # noqa: S101 - a pipe was asked for
        assert self._process.stdout  # noqa: S101
        try:
            self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ArmFailed(f"the {self._role} process is gone") from error
        line = self._process.stdout.readline()
        if not line:
            raise ArmFailed(f"the {self._role} process ended with exit status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ArmFailed(answer["error"])
        return answer["result"]

    def run(self, prompts: list[list[int]], tokens: int) -> Measurement:
        return Measurement(**self.ask("run", prompts=prompts, tokens=tokens))

    def peak_bytes(self) -> int:
        return int(self.ask("peak_bytes"))


class ServerArm:
    """A server that completes token ids over HTTP, streaming; on loopback.

    Args:
        name: what failures call it.
        command: the program and its arguments, for a port.
        path: where completions are asked for.
        body: the request for one completion, besides that it is greedy, streamed and does not stop early.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[int], list[str]],
        path: str,
        body: Callable[[list[int], int], dict[str, Any]],
    ) -> None:
        self._name, self._command, self._path, self._body = name, command, path, body
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> Self:
        environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(  # noqa: S603 - the program that was asked for
            self._command(self._port), stdout=self._log, stderr=self._log, env=environment
        )
        started = time.monotonic()
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() - started > _START_S:
                _end(self._process)
                self._log.seek(0)
                last = (self._log.read().strip().splitlines() or ["it said nothing"])[-1]
                raise ArmFailed(f"{self._name} did not start: {last[:200]}")
            time.sleep(0.5)
        for process in _family(self._process.pid):
            with contextlib.suppress(OSError):
                Path(f"/proc/{process}/clear_refs").write_text("5")  # the peak counts from now
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._process)
        self._log.close()

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def run(self, prompts: list[list[int]], tokens: int) -> Measurement:
        began = time.perf_counter()
        with ThreadPoolExecutor(len(prompts)) as threads:
            first = sorted(threads.map(lambda prompt: self._complete(prompt, tokens), prompts))
        seconds = time.perf_counter() - began
        return Measurement(tokens * len(prompts), seconds, first[len(first) // 2])

    def _complete(self, prompt: list[int], tokens: int) -> float:
        """Ask for one completion of exactly `tokens` tokens; returns the seconds to the first of them."""
        began, first = time.perf_counter(), 0.0
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        try:
            body = self._body(prompt, tokens) | {"ignore_eos": True, "temperature": 0, "stream": True}
            connection.request("POST", self._path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                raise ArmFailed(f"{self._name} answered {response.status}: {response.read(200)!r}")
            while line := response.readline():
                if line.startswith(b"data:") and not first:
                    first = time.perf_counter() - began
        except OSError as error:
            raise ArmFailed(f"{self._name}: {error}") from error
        finally:
            connection.close()
        return first

    def peak_bytes(self) -> int:
        return sum(_peak_of(process) for process in _family(self._process.pid))


def llama_server(program: str | None, model: str | None, adapter: str | None, rows: int) -> ServerArm:
    """llama.cpp's `llama-server` with a row for each conversation, on as many threads as there are cores."""
    if not program:
        raise ArmFailed("llama.cpp is not installed")
    if not model:
        raise ArmFailed("there is no GGUF file of this base")
    cores = str(len(os.sched_getaffinity(0)))
    fixed = [
        *(program, "--model", model, *(["--lora", adapter] if adapter else [])),
        *("--parallel", str(rows), "--ctx-size", str(512 * rows)),
        *("--threads", cores, "--threads-batch", cores, "--no-webui"),
    ]
    return ServerArm(
        "llama.cpp",
        lambda port: [*fixed, "--port", str(port)],
        "/completion",
        lambda prompt, tokens: {"prompt": prompt, "n_predict": tokens},
    )


def vllm_server(program: str | None, model: str | None, adapter: str, rank: int, rows: int) -> ServerArm:
    """VLLM's OpenAI-compatible server with the adapter loaded."""
    if not program:
        raise ArmFailed("vLLM is not installed")
    if not model:
        raise ArmFailed("there is no unquantised copy of this base")
    fixed = [
        *(program, "serve", model, "--host", "127.0.0.1"),
        *("--enable-lora", "--max-lora-rank", str(max(8, rank)), "--lora-modules", f"adapter={adapter}"),
        *("--max-model-len", "512", "--max-num-seqs", str(rows), "--dtype", "bfloat16", "--enforce-eager"),
    ]
    return ServerArm(
        "vLLM",
        lambda port: [*fixed, "--port", str(port)],
        "/v1/completions",
        lambda prompt, tokens: {"prompt": prompt, "max_tokens": tokens, "model": "adapter"},
    )


def _family(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from _family(int(child))


def _peak_of(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
