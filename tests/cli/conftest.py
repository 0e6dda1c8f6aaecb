"""A home of one's own, and `nightshift(...)`: one command with its exit code and everything it said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.cli.main import run
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.run_records import Adapter
from storage.store import Store


@dataclass(frozen=True)
class Said:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of stdout, which scripts read."""
        return json.loads(self.out.splitlines()[-1])

    def fails_with(self, code: int, words: str) -> None:
        """It ended with `code`, said one sentence with `words` on stderr, and showed no traceback."""
        assert self.code == code, self
        assert words in self.err, self
        assert self.err.count("\n") == 1, self
        assert self.err.endswith(".\n"), self
        assert "Traceback" not in self.err


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home that commands use unless they are told another."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    for name in ("TQDM_DISABLE", "TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        monkeypatch.setenv(name, "1" if name == "TQDM_DISABLE" else "error")  # so that they are unset afterwards
    return Home(tmp_path / "home")


@pytest.fixture
def nightshift(home: Home, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run one command in this process."""

    def command(*arguments: str | Path) -> Said:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return command


@pytest.fixture
def store(home: Home) -> Any:
    """The home's store, open beside the commands, as a running bot has it."""
    with Store.open(home.ensure().db) as opened:
        yield opened


@pytest.fixture
def publish(home: Home, store: Store, tmp_path: Path) -> Callable[..., str]:
    """Publish an adapter (of files that only storage looks at, or of real ones) and register it."""

    def one(adapter: str, source: Path | None = None, **manifest: Any) -> str:
        if source is None:
            source = tmp_path / f"made-{adapter}"
            source.mkdir()
            (source / "adapter_config.json").write_text("{}")
            (source / "adapter_model.safetensors").write_bytes(adapter.encode())
        about = {"pairs": 110, "metrics": {"challenger_nll": 2.5}} | manifest
        AdapterDirectory(home.adapters).publish(adapter, source, about)
        store.add_adapter(Adapter(adapter, None, "SmolLM2-135M-Instruct", "2026-11-23T04:00:00.000+00:00", about))
        return adapter

    return one
