"""Servers that do what none should: they send elsewhere, never end, repeat the key, or are no model server at all."""

from __future__ import annotations

import itertools

import pytest
from aiohttp import web

from model.errors import GenerationFailed, ServerUnavailable
from model.protocol import Sampling
from tests.model.remote.conftest import ask
from tests.model_server import ModelServer


class StrangeServer(ModelServer):
    """Answers requests for a streamed reply with `answer`, and for its models with `page` where one is set."""

    answer = None
    page = None

    async def _models(self, request):
        return self.page() if self.page else await super()._models(request)

    async def _completions(self, request):
        if self.answer and (await request.json()).get("stream"):
            return await self.answer(request)
        return await super()._completions(request)


@pytest.fixture
async def strange():
    server = StrangeServer()
    await server.start()
    yield server
    await server.stop()


def streaming(*events):
    async def answer(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(b"data: " + event + b"\n\n")
        return response

    return answer


async def test_a_conversation_follows_no_redirect(strange, second, remote):
    """The operator named one address, and no other is sent what members said."""

    async def answer(_):
        raise web.HTTPTemporaryRedirect(f"{second.url}/completions")

    engine = await remote(strange)
    strange.answer = answer
    with pytest.raises(GenerationFailed, match="307"):
        await ask(engine)
    assert second.requests == []


async def test_the_key_is_not_in_the_log_where_a_server_repeats_it(strange, remote, caplog):
    """Nor more of its text than fits a line."""
    caplog.set_level("INFO")

    def page():
        said = {"error": {"message": "no such key: sk-4711-secret\nFORGED LINE " + "x" * 5_000}}
        return web.json_response(said, status=401)

    strange.page = page
    await remote(strange, key="sk-4711-secret")
    said = [one.getMessage() for one in caplog.records if "no such key" in one.getMessage()]
    assert said
    assert "sk-4711-secret" not in caplog.text
    assert all(len(one) < 1_000 and "\n" not in one for one in said)


async def test_a_reply_that_never_ends_is_ended(strange, remote):
    """By its length, as the server should have; it cannot fill the memory."""
    word = b'{"choices":[{"index":0,"text":" word","finish_reason":null}]}'
    engine = await remote(strange)
    strange.answer = streaming(*itertools.repeat(word, 20_000))
    done = await ask(engine, sampling=Sampling(max_new_tokens=8))
    assert done.finish_reason == "length"
    assert len(done.text) < 2_000


@pytest.mark.parametrize(
    "event", [b"<html>", b"[1]", b'{"choices":[7]}', b'{"choices":[{"text":"a","logprobs":{"content":[3]}}]}']
)
async def test_nonsense_in_a_stream_is_a_failed_reply(strange, remote, event):
    """Said in a sentence."""
    engine = await remote(strange)
    strange.answer = streaming(event)
    with pytest.raises(GenerationFailed, match="model server"):
        await ask(engine)


@pytest.mark.parametrize(
    "page",
    [
        lambda: web.Response(text="<html>Welcome to nginx</html>", content_type="text/html"),
        lambda: web.Response(text="[[[", content_type="application/json"),
        lambda: web.json_response({"data": [3]}),
        lambda: web.json_response(["tiny"]),
    ],
)
async def test_what_is_no_model_server_is_not_asked_until_it_is_one(strange, remote, page):
    """As a proxy whose server has not started; the looks go on."""
    strange.page = page
    engine = await remote(strange, look_seconds=0.1)
    with pytest.raises(ServerUnavailable):
        await ask(engine)
    strange.page = None
    await engine._adapters.look()
    assert (await ask(engine)).text.startswith("base")
