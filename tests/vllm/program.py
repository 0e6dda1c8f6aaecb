"""A real vLLM on the CPU, as its own process, and the models that it serves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_START_S = 240.0  # on two busy cores


@dataclass
class Vllm:
    """One server. `start` and `stop` may be called again: it keeps its port and loses its adapters."""

    program: str
    model: Path
    log: Path
    port: int = 0
    process: subprocess.Popen[Any] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.port = self.port or _free_port()
        options = ["--enable-lora", "--max-loras", "2", "--max-lora-rank", "16", "--dtype", "float32"]
        limits = ["--max-model-len", "512", "--max-num-seqs", "8", "--enforce-eager"]
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--served-model-name", "smol"]
        settings = {
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", str(self.model), *where, *options, *limits],
                stdout=log,
                stderr=log,
                env=os.environ | settings,
                start_new_session=True,
            )
        until = time.monotonic() + _START_S
        while not self._answers():
            alive = self.process.poll() is None and time.monotonic() < until
            assert alive, self.log.read_text(errors="replace")[-3000:]
            time.sleep(0.5)

    def stop(self) -> None:
        """End it at once, with the processes that it started."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/models", timeout=2):  # noqa: S310 - our own server
                return True
        except (urllib.error.URLError, OSError):
            return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
