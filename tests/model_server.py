"""A model server on loopback that speaks the API of vLLM or SGLang, without a model: scripted replies and faults."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.tiny import tiny_tokenizer


@dataclass(frozen=True)
class Status:
    """Answer with this status instead."""

    code: int


@dataclass(frozen=True)
class Silence:
    """Send nothing, after some words."""

    after: int = 0


@dataclass(frozen=True)
class Cut:
    """Break the connection, after some words."""

    after: int = 0


Fault = Status | Silence | Cut


class ModelServer:
    """What it answers: `adapter: word word word`, or what is in `replies`. It has adapters whose folder it can see.

    Attributes:
        faults: what goes wrong with the next requests for a reply, in order; None is nothing.
        load_faults: the same for loading adapters.
        open: clear it to hold every reply before its next word.
        pause_after: words after which a reply clears `open` by itself.
        deaf_to_adapters: it answers with the base whatever is asked for, and claims nothing else.
        requests: the bodies of requests for replies, but for the engine's probes of one token.
        calls: what was done to adapters, in order.
        ended: how each streamed reply ended: done or closed.
    """

    def __init__(self, **options: Any) -> None:
        self.base, self.owner, self.tokens, self.extras = "tiny", "vllm", True, True
        self.probabilities, self.key, self.count, self.lists = True, "", None, True
        vars(self).update(options)
        self.adapters: dict[str, str] = {}
        self.replies: deque[str] = deque()
        self.faults: deque[Fault | None] = deque()
        self.load_faults: deque[Fault | None] = deque()
        self.open = asyncio.Event()
        self.open.set()
        self.requests: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.ended: list[str] = []
        self.active = 0
        self.deaf_to_adapters = False
        self.load_pause = 0.0  # seconds
        self.pause_after: int | None = None
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        """Listen, on the same port as before where there was one; without any adapter, as after a restart."""
        self.adapters = {}
        app = web.Application()
        prefix = "/v1" if self.owner == "vllm" else ""
        app.add_routes(
            [
                web.get("/v1/models", self._models),
                web.post("/v1/completions", self._completions),
                web.post("/v1/chat/completions", self._completions),
                web.post(f"{prefix}/load_lora_adapter", self._load),
                web.post(f"{prefix}/unload_lora_adapter", self._unload),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def named(self, model: str) -> str | None:
        """The adapter that a model's name means; None is the base. Raises KeyError."""
        if model == self.base or self.deaf_to_adapters:
            return None
        name = model.removeprefix(f"{self.base}:") if self.owner == "sglang" else model
        if name not in self.adapters:
            raise KeyError(model)
        return name

    async def _models(self, request: web.Request) -> web.Response:
        if not self.lists:
            raise web.HTTPNotFound
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(401, "Unauthorized")
        adapters = [{"id": name, "parent": self.base, "owned_by": self.owner} for name in self.adapters]
        base = {"id": self.base, "parent": None, "owned_by": self.owner, "max_model_len": 256}
        return web.json_response({"object": "list", "data": [base, *adapters]})

    async def _load(self, request: web.Request) -> web.Response:
        body = await request.json()
        fault = self.load_faults.popleft() if self.load_faults else None
        if isinstance(fault, Status):
            return _error(fault.code, "scripted")
        if isinstance(fault, Silence):
            await asyncio.sleep(30)
        if isinstance(fault, Cut):
            request.transport.close()
        await asyncio.sleep(self.load_pause)
        name, path = body["lora_name"], Path(body["lora_path"])
        self.calls.append(("load", name))
        if name in self.adapters:
            return _error(400, f"The lora adapter '{name}' has already been loaded.")
        if not (path / "adapter_config.json").is_file():
            return _error(404, f"Loading lora {name} failed: No adapter found for {path}")
        if json.loads((path / "adapter_config.json").read_text())["r"] > 16:
            return _error(500, "LoRA rank 32 is greater than max_lora_rank 16.")
        self.adapters[name] = str(path)
        return web.Response(text="Success")

    async def _unload(self, request: web.Request) -> web.Response:
        name = (await request.json())["lora_name"]
        self.calls.append(("unload", name))
        if self.adapters.pop(name, None) is None:
            return _error(404, f"The lora adapter '{name}' cannot be found.")
        return web.Response(text="Success")

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        body, chat = await request.json(), request.path.endswith("chat/completions")
        if not chat and not self.tokens:
            raise web.HTTPNotFound
        if not self.extras and {"logprobs", "stop_token_ids"} & body.keys():
            return _error(400, "unknown field")
        try:
            adapter = self.named(body["model"])
        except KeyError:
            return _error(404, f"The model `{body['model']}` does not exist.")
        if not body.get("stream"):
            return web.json_response(self._whole(body, chat))
        self.requests.append(body)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Status):
            return _error(fault.code, "scripted")
        return await self._stream(request, body, chat, adapter, fault)

    def _whole(self, body: dict[str, Any], chat: bool) -> dict[str, Any]:
        prompt = body.get("prompt")
        length = self.count or len(_tokenizer()(prompt)["input_ids"]) if isinstance(prompt, str) else len(prompt or ())
        usage = {"prompt_tokens": length, "completion_tokens": 1, "total_tokens": length + 1}
        model = self.base if self.deaf_to_adapters else body["model"]
        return self._chunk(model, chat, "x", "length", usage, streamed=False)

    async def _stream(
        self, request: web.Request, body: dict[str, Any], chat: bool, adapter: str | None, fault: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        words = (self.replies.popleft() if self.replies else f"{adapter or 'base'}: one two three").split(" ")
        self.active += 1
        end = "closed"
        try:
            for at, word in enumerate(words[: body["max_tokens"]]):
                if fault is not None and at == fault.after:
                    if isinstance(fault, Cut):
                        request.transport.close()
                        return response
                    await asyncio.sleep(30)
                if at == self.pause_after:
                    self.open.clear()
                await self.open.wait()
                chunk = self._chunk(body["model"], chat, word if at == 0 else f" {word}", None, None)
                await response.write(_event(chunk))
            reason = "length" if body["max_tokens"] < len(words) else "stop"
            await response.write(_event(self._chunk(body["model"], chat, "", reason, None)))
            usage = {"prompt_tokens": 7, "completion_tokens": len(words), "total_tokens": 7 + len(words)}
            await response.write(_event(self._chunk(body["model"], chat, None, None, usage)))
            await response.write(b"data: [DONE]\n\n")
            end = "done"
        finally:
            self.active -= 1
            self.ended.append(end)
        return response

    def _chunk(
        self,
        model: str,
        chat: bool,
        text: str | None,
        finish: str | None,
        usage: dict[str, int] | None,
        *,
        streamed: bool = True,
    ) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
        said = {"role": "assistant", "content": text}
        choice |= {"delta" if streamed else "message": said} if chat else {"text": text}
        if self.probabilities and text:
            each = {"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}
            choice["logprobs"] = {"content": [each]} if chat else {"tokens": [text], "token_logprobs": [-0.5]}
        choices = [] if text is None else [choice]
        return {"id": "1", "object": "x", "created": 1, "model": model, "choices": choices, "usage": usage}


@cache
def _tokenizer() -> Any:
    return tiny_tokenizer()


def _event(chunk: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _error(status: int, said: str) -> web.Response:
    return web.json_response({"error": {"message": said, "code": status}}, status=status)


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[ModelServer]:
    """A server that listens while inside."""
    server = ModelServer(**options)
    await server.start()
    try:
        yield server
    finally:
        server.open.set()
        await server.stop()
