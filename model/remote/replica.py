"""One replica: what it is called there, what it understands, which adapters it has, and whether it can be asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from model.config import EngineConfig
from model.errors import AdapterMismatch, BaseUnsuitable, GenerationFailed, ModelError, ServerUnavailable
from model.protocol import Sampling
from model.remote.dialect import DIALECTS, Chunk, Dialect, Prompt
from model.remote.server import Listed, ModelMissing, RequestRefused, Server, ServerTrouble

__all__ = ["Probe", "Published", "Replica"]

_log = logging.getLogger(__name__)

_ONE_WORD = Sampling(max_new_tokens=1, temperature=0.0, top_p=1.0)
_FEW = 2  # tokens that a server may put around a text


@dataclass(frozen=True)
class Published:
    """An adapter as servers know it: `name` is new for every content, since prefix caches go by the name."""

    id: str
    name: str
    path: Path
    server_path: str


@dataclass(frozen=True)
class Probe:
    """What a server is tried with: a prompt, and a text whose length in tokens is known."""

    prompt: Prompt
    text: str
    tokens: int


class Replica:
    """`why` says why it cannot be asked; empty while it can."""

    def __init__(self, server: Server, config: EngineConfig, probe: Probe, base: str) -> None:
        self.server, self._config, self._probe, self._base_id = server, config, probe, base
        self.dialect: Dialect | None = None
        self.context: int | None = None
        self.probabilities = False
        self.why = "it was not asked yet"
        self.active = 0
        self.has: set[str] = set()  # adapters that it answered with
        self._listed: set[str] = set()  # of these, those seen in its list: what leaves the list is gone
        self._base = config.model
        self._sglang = False
        self._changing = asyncio.Lock()

    @property
    def url(self) -> str:
        """Where it is."""
        return self.server.url

    def model(self, adapter: Published | None) -> str:
        """The name to ask for."""
        if adapter is None:
            return self._base
        return f"{self._base}:{adapter.name}" if self._sglang else adapter.name

    def lost(self, error: ModelError) -> None:
        """It cannot be asked now."""
        why = str(getattr(error, "why", error))
        if why != self.why:
            _log.error("The model server at %s is not asked: %s", self.url, why)
        self.why = why

    async def look(self, wanted: Collection[Published]) -> None:
        """See whether it answers and has what it should have, and give it what it lacks.

        Raises ServerUnavailable, BaseUnsuitable and AdapterMismatch.
        """
        models = await self.server.models()
        if self.dialect is None or self.why:
            await self._meet(models)
        if models is not None:
            self._compare({one.id.rpartition(":")[2] for one in models} | {one.id for one in models})
        for adapter in wanted:
            await self.give(adapter)
        if self.why:
            _log.info("%s answers", self.url)
        self.why = ""

    def _compare(self, names: set[str]) -> None:
        self.has -= self._listed - names
        self._listed = self.has & names

    async def give(self, adapter: Published) -> None:
        """Let it load an adapter, and see that it answers with it. Raises AdapterMismatch, ServerUnavailable."""
        async with self._changing:
            if adapter.name in self.has:
                return
            try:
                await self.server.load(adapter.name, adapter.server_path)
                answered, _ = await self._ask(self.model(adapter))
            except (ModelMissing, RequestRefused, ServerTrouble) as error:
                raise AdapterMismatch(adapter.path, self._refusal(adapter, error)) from error
            if answered.rpartition(":")[2] != adapter.name and answered != self.model(adapter):
                raise AdapterMismatch(adapter.path, f"the model server at {self.url} answers without it")
            self.has.add(adapter.name)

    def _refusal(self, adapter: Published, error: GenerationFailed) -> str:
        if isinstance(error, ModelMissing):
            return (
                f"the model server at {self.url} finds no adapter in {adapter.server_path}, or loads none while it runs"
                " (docs/remote-engine.md)"
            )
        if isinstance(error, RequestRefused | ServerTrouble) and "rank" in error.said.lower():
            return f"its rank is above what the model server at {self.url} was started for (--max-lora-rank)"
        return f"the model server at {self.url} does not load it ({error.why})"

    async def take(self, adapter: Published) -> None:
        """Let it forget an adapter; that it had none is as good."""
        async with self._changing:
            self.has.discard(adapter.name)
            self._listed.discard(adapter.name)
            try:
                await self.server.unload(adapter.name)
            except ModelError as error:
                _log.warning("%s keeps the adapter %s: %s", self.url, adapter.name, error)

    async def _meet(self, models: list[Listed] | None) -> None:
        """Find out its base, its dialect and its tokens. Raises ServerUnavailable, BaseUnsuitable."""
        self.has, self._listed = set(), set()
        entry = self._entry(models)
        self._base, self.context = entry.id, entry.context
        self._sglang = entry.owner == "sglang"
        self.dialect = None
        for dialect in DIALECTS:
            self.dialect = dialect
            try:
                _, answer = await self._ask(self._base)
            except (ModelMissing, RequestRefused) as error:
                refused = error
                continue
            except ServerTrouble as error:
                raise ServerUnavailable(self.url, error.why) from error
            self.probabilities = bool(answer.probabilities)
            await self._compare_tokens()
            return
        self.dialect = None
        raise ServerUnavailable(self.url, refused.why)

    def _entry(self, models: list[Listed] | None) -> Listed:
        """The base in a server's list."""
        if models is None:
            if not self._config.model:
                raise BaseUnsuitable(self._base_id, f"{self.url} lists no models; name one with [engine] model")
            return Listed(self._config.model, None, None, "")
        wanted = self._config.model
        entry = next((one for one in models if (one.id == wanted if wanted else one.parent is None)), None)
        if entry is None:
            known = ", ".join(one.id for one in models[:5] if one.parent is None) or "none"
            raise BaseUnsuitable(
                self._base_id,
                f"the model server at {self.url} has no model {wanted!r}, only {known}; see [engine] model",
            )
        return entry

    async def _ask(self, model: str) -> tuple[str, Chunk]:
        if self.dialect is None:
            raise ServerUnavailable(self.url, "it was not asked yet")
        return await self.server.ask(self.dialect, model, self._probe.prompt, _ONE_WORD)

    async def _compare_tokens(self) -> None:
        """Raises BaseUnsuitable where the server's tokens are those of another model."""
        if self.dialect is None or not self.dialect.tokens:
            return
        try:
            count = await self.server.count(self._base, self._probe.text)
        except GenerationFailed:
            return
        if count is not None and abs(count - self._probe.tokens) > _FEW:
            why = f"the model server at {self.url} has another tokenizer, so it serves another model"
            raise BaseUnsuitable(self._base_id, why)
