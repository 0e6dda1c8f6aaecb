"""The endpoint: chat completions and the list of models over HTTP, for programs that have the key. Keeps no word.

Answers come from the engine that it is given. Its requests wait in the engine's queue as one channel, so that members
on Discord do not wait behind them.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from aiohttp import web

from bot.api import bodies
from bot.api.adapters import KEPT_FREE, NamedAdapters
from bot.api.chat_request import ChatRequest, read_request
from bot.api.errors import ApiError, Busy, EngineUnavailable, InvalidRequest, ModelNotFound, WrongKey, as_api_error
from bot.api.key import is_key
from bot.chat.completion_log import log_completion
from bot.loopback import listening
from bot.request_id import answering
from bot.settings import Settings
from bot.training.held_adapters import HeldAdapters
from model.errors import ContextTooLong, EngineClosed, ModelError
from model.protocol import IN_USE, AdapterEngine, ChatEngine, ChatGeneration, Completion, InUse
from storage.async_store import AsyncStore
from storage.errors import StorageError
from storage.files.adapter_directory import AdapterDirectory

__all__ = ["Endpoint"]

_log = logging.getLogger(__name__)
_LARGEST_BODY = 8 << 20  # bytes
_LONGEST_TOKEN = 64  # characters: a text with more of them for each token of the context is not even tokenized


class Endpoint:
    """One for an engine. `observe` is told of every finished reply, and None of one that failed.

    `held` are the adapters in the engine's memory, where others load some too.
    """

    def __init__(
        self,
        engine: ChatEngine,
        store: AsyncStore,
        directory: AdapterDirectory,
        settings: Settings,
        key: str,
        *,
        observe: Callable[[Completion | None], None] = lambda _: None,
        held: HeldAdapters | None = None,
    ) -> None:
        self._engine, self._settings, self._key, self._observe = engine, settings, key, observe
        held = held or HeldAdapters(engine, directory, settings.model.adapter_slots - KEPT_FREE)
        self.adapters = NamedAdapters(engine, store, held)
        self._going = 0

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Serve on a port of this machine while inside. Raises PortUnavailable."""
        app = web.Application(middlewares=[self._guarded], client_max_size=_LARGEST_BODY)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{name:.+}", self._model)
        app.router.add_post("/v1/chat/completions", self._chat)
        async with listening(app, port, "port under [api]"):
            yield

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Ask for the key, and give every error OpenAI's shape."""
        if not is_key(request.headers.get("Authorization"), self._key):
            return _refusal(WrongKey())
        try:
            answer: web.StreamResponse = await handler(request)
        except (ApiError, ModelError) as error:
            return _refusal(error if isinstance(error, ApiError) else as_api_error(error))
        except web.HTTPException as error:
            return _refusal(InvalidRequest(f"{error.reason}.", code="invalid_request", status=error.status))
        except StorageError as error:
            return _refusal(EngineUnavailable(str(error)))
        except Exception:  # noqa: BLE001 - whatever it was, the client is told in the shape that it reads
            _log.exception("A request to the endpoint failed")
            return _refusal(ApiError(500, "server_error", "internal_error", "Something went wrong; see the log."))
        return answer

    async def _models(self, _: web.Request) -> web.Response:
        found = bodies.models(self._engine.base_id, await self.adapters.listed())
        return web.json_response({"object": "list", "data": found})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        for one in bodies.models(self._engine.base_id, await self.adapters.listed()):
            if one["id"] == name:
                return web.json_response(one)
        raise ModelNotFound(name)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        try:
            sent = await request.json()
        except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested too deep
            raise InvalidRequest("The body is not JSON that can be read.") from None
        wanted = read_request(sent, self._settings.generation, self._settings.persona)
        self._refuse_if_unable(wanted)
        number = f"chatcmpl-{uuid.uuid4().hex}"
        with answering(number), self._place():
            async with self.adapters.using(wanted.model) as adapter:
                generation = self._submit(wanted, adapter)
                try:
                    answer = self._streamed(request, wanted, number, generation) if wanted.stream else None
                    return await (answer or self._whole(number, generation))
                except ModelError:
                    self._observe(None)
                    raise
                finally:
                    generation.cancel()  # of a client that went away; a finished one stays as it is

    def _refuse_if_unable(self, wanted: ChatRequest) -> None:
        stats, context = self._engine.stats(), self._engine.context_tokens
        if stats.asleep:
            raise EngineUnavailable("The engine sleeps while a training run has the GPU: try again later.")
        length = sum(len(message.content) for message in wanted.messages)
        if length > context * _LONGEST_TOKEN:
            raise ContextTooLong(length // _LONGEST_TOKEN, context)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Raises Busy while as many requests are under way as there may be."""
        if self._going >= self._settings.api.requests:
            raise Busy(f"{self._going} requests are under way already: try again in a moment.")
        self._going += 1
        try:
            yield
        finally:
            self._going -= 1

    def _submit(self, wanted: ChatRequest, adapter: str | InUse | None) -> ChatGeneration:
        if adapter is IN_USE:
            return self._engine.submit(wanted.messages, wanted.sampling, channel="api")
        if isinstance(self._engine, AdapterEngine):
            return self._engine.submit(wanted.messages, wanted.sampling, channel="api", adapter=adapter)
        raise EngineUnavailable("This engine answers with the current adapter alone.")

    async def _whole(self, number: str, generation: ChatGeneration) -> web.Response:
        done = self._finished(await generation.wait())
        return web.json_response(bodies.completion_body(number, int(time.time()), done))

    async def _streamed(
        self, request: web.Request, wanted: ChatRequest, number: str, generation: ChatGeneration
    ) -> web.StreamResponse:
        events = self._events(wanted, number, generation)
        first = await anext(events)  # what is refused before the first token still has a status
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
        )
        with suppress(ConnectionResetError):  # the client went away
            await response.prepare(request)
            await response.write(first)
            async for event in events:
                await response.write(event)
            await response.write_eof()
        return response

    async def _events(
        self, wanted: ChatRequest, number: str, generation: ChatGeneration
    ) -> AsyncGenerator[bytes, None]:
        """The events of a stream. A failure is raised before the first, and is an event of its own later."""
        continued = wanted.messages[-1].role == "assistant"
        pieces, created = aiter(generation if continued else _without_leading_space(generation)), int(time.time())
        first = await anext(pieces, "")

        def chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
            return bodies.chunk(number, created, wanted.model, delta, finish)

        try:
            yield bodies.event(chunk({"role": "assistant", "content": first}))
            async for piece in pieces:
                yield bodies.event(chunk({"content": piece}))
            done = self._finished(await generation.wait())
            yield bodies.event(chunk({}, done.finish_reason))
            if wanted.usage:
                yield bodies.event(chunk({}) | {"choices": [], "usage": bodies.usage_of(done)})
            yield bodies.event("[DONE]")
        except ModelError as error:
            self._observe(None)
            yield bodies.event(as_api_error(error).body)

    def _finished(self, done: Completion) -> Completion:
        """The reply, noted. Raises EngineClosed for one that the engine broke off."""
        if done.finish_reason == "cancelled":
            raise EngineClosed
        log_completion(done)
        self._observe(done)
        return done


async def _without_leading_space(pieces: ChatGeneration) -> AsyncIterator[str]:
    """The pieces of a reply, as its text begins when it is finished."""
    begun = False
    async for piece in pieces:
        text = piece if begun else piece.lstrip()
        begun = begun or bool(text)
        if text:
            yield text


def _refusal(error: ApiError) -> web.Response:
    return web.json_response(error.body, status=error.status, headers=error.headers)
