"""One server over HTTP, by the `openai` client: its models, its adapters, its replies. Errors come out as ModelErrors.

What a server writes about an error goes to the log; the sentences say what a person can do.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from model.config import EngineConfig
from model.errors import ClientNotInstalled, GenerationFailed, ModelError, ServerUnavailable
from model.protocol import Sampling
from model.remote.dialect import Chunk, Dialect, Prompt, arguments, read_chunk

__all__ = ["Listed", "ModelMissing", "RequestRefused", "Server", "ServerTrouble"]

_log = logging.getLogger(__name__)

_CONNECT_S = 10.0
_QUICK_S = 10.0  # for a list of models
_SAID = 500  # characters of a server's own text that go to the log
_STARTING = frozenset({502, 503, 504})  # of a proxy, or a server that starts


class ModelMissing(GenerationFailed):
    """The server has no model of this name: it was started again, or never had it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the model server has no model {name[:80]}")


class RequestRefused(GenerationFailed):
    """The server understood and does not want to. `said` is its own text, for the log."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"the model server refused the request with status {status}")
        self.status, self.said = status, said


class ServerTrouble(GenerationFailed):
    """The server failed at this request; another replica may not. `said` is its own text, for the log."""

    def __init__(self, why: str, said: str = "") -> None:
        super().__init__(why)
        self.said = said


@dataclass(frozen=True)
class Listed:
    """A model in a server's list. `parent` names the base of an adapter, `owner` the program that serves it."""

    id: str
    parent: str | None
    context: int | None
    owner: str


class Server:
    """Raises ServerUnavailable where nobody answers, ModelMissing, RequestRefused and ServerTrouble."""

    def __init__(self, url: str, config: EngineConfig, key: str) -> None:
        try:
            import openai
        except ImportError as error:
            raise ClientNotInstalled from error
        self.url, self._config, self._openai, self._key = url, config, openai, key
        timeout = openai.Timeout(config.silence_seconds, connect=_CONNECT_S)
        client = openai.DefaultAsyncHttpxClient(timeout=timeout, follow_redirects=False)  # prompts go nowhere else
        self._client = openai.AsyncOpenAI(
            base_url=url, api_key=key or "none", max_retries=0, timeout=timeout, http_client=client
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def models(self) -> list[Listed] | None:
        """What it lists; None where it keeps no list."""
        try:
            with self._plain(""):
                page = await self._client.with_options(max_retries=1).models.list(timeout=_QUICK_S)
                return [_listed(one.model_dump()) for one in page.data or ()]
        except ModelMissing:
            return None

    async def load(self, name: str, path: str) -> None:
        """Let it read an adapter from `path`, as it sees it. One that it has already is as good."""
        try:
            await self._post("load_lora_adapter", {"lora_name": name, "lora_path": path})
        except RequestRefused as error:
            if "already" not in error.said:
                raise

    async def unload(self, name: str) -> None:
        """Let it forget an adapter."""
        await self._post("unload_lora_adapter", {"lora_name": name})

    async def _post(self, path: str, body: Mapping[str, str]) -> None:
        """This is below /v1 at vLLM, and at the root at SGLang."""
        root = self.url.removesuffix("/v1")
        for address in dict.fromkeys((f"{self.url}/{path}", f"{root}/{path}")):
            try:
                await self._post_to(address, body)
            except ModelMissing as error:
                missing = error
            else:
                return
        raise missing

    async def _post_to(self, address: str, body: Mapping[str, str]) -> None:
        """Once more where nobody answered: the server may only have closed an idle connection."""
        timeout = self._openai.Timeout(self._config.load_seconds, connect=_CONNECT_S)
        for again in (True, False):
            try:
                with self._plain(body["lora_name"]):
                    await self._client.post(address, cast_to=object, body=body, options={"timeout": timeout})
                    return
            except ServerUnavailable:
                if not again:
                    raise

    async def ask(self, dialect: Dialect, model: str, prompt: Prompt, sampling: Sampling) -> tuple[str, Chunk]:
        """The model that answered, and its whole answer."""
        with self._plain(model):
            answer = await self._create(dialect)(**arguments(dialect, model, prompt, sampling))
            return str(answer.model), read_chunk(answer)

    async def count(self, model: str, text: str) -> int | None:
        """Length of a text in this server's tokens; None where it does not say."""
        with self._plain(model):
            answer = await self._client.completions.create(model=model, prompt=text, max_tokens=1, temperature=0.0)
            return answer.usage.prompt_tokens if answer.usage else None

    @asynccontextmanager
    async def stream(
        self, dialect: Dialect, model: str, prompt: Prompt, sampling: Sampling
    ) -> AsyncIterator[AsyncIterator[Chunk]]:
        """One reply, chunk by chunk. Leaving closes the connection, and the server stops."""
        wanted = arguments(dialect, model, prompt, sampling)
        with self._plain(model):
            chunks = await self._create(dialect)(**wanted, stream=True, stream_options={"include_usage": True})
        async with chunks:
            yield self._read(chunks, model)

    async def _read(self, chunks: AsyncIterator[Any], model: str) -> AsyncIterator[Chunk]:
        with self._plain(model):
            async for one in chunks:
                yield read_chunk(one)

    def _create(self, dialect: Dialect) -> Any:
        return self._client.completions.create if dialect.tokens else self._client.chat.completions.create

    @contextmanager
    def _plain(self, model: str) -> Iterator[None]:
        """Errors of the client as ours."""
        try:
            yield
        except self._openai.OpenAIError as error:
            said = self._one_line(str(getattr(error, "message", error)))
            _log.info("%s: %s", self.url, said)
            raise self._as_ours(error, said, model) from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:  # the client takes what it gets
            _log.info("%s: %s", self.url, self._one_line(repr(error)))
            raise ServerTrouble("the model server sent something else than an answer") from error

    def _one_line(self, said: str) -> str:
        """What a server wrote, for the log: without the key, which some repeat."""
        hidden = said.replace(self._key, "(key)") if self._key else said
        return " ".join(hidden.split())[:_SAID]

    def _as_ours(self, error: Exception, said: str, model: str) -> ModelError:
        if isinstance(error, self._openai.APITimeoutError):
            return ServerTrouble(f"the model server sent nothing for {self._config.silence_seconds:g} seconds")
        if isinstance(error, self._openai.APIConnectionError):
            return ServerUnavailable(self.url, "nobody answers there, or the connection was cut")
        if isinstance(error, self._openai.APIStatusError):
            return self._of_status(error.status_code, said, model)
        return ServerTrouble("the model server broke the reply off")

    def _of_status(self, status: int, said: str, model: str) -> ModelError:
        if status in {401, 403}:
            return ServerUnavailable(self.url, "it wants another key: set OPENAI_API_KEY")
        if status == 404:
            return ModelMissing(model)
        if status in _STARTING:
            return ServerUnavailable(self.url, f"it answers with status {status}")
        if status >= 500 or status == 429:
            return ServerTrouble(f"the model server answered with status {status}", said)
        return RequestRefused(status, said)


def _listed(entry: Mapping[str, Any]) -> Listed:
    context = entry.get("max_model_len")
    known = context if isinstance(context, int) and context > 0 else None
    return Listed(str(entry.get("id")), entry.get("parent") or None, known, str(entry.get("owned_by") or ""))
