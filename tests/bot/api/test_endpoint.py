"""What programs get from the endpoint, by OpenAI's own client."""

from __future__ import annotations

import asyncio
import contextlib
import json

import aiohttp
import httpx
import openai
import pytest
from aiohttp import ClientConnectionResetError, web

from model.errors import EngineFailed
from model.protocol import AdapterRef
from storage.store import Store
from tests.bot.api.conftest import KEY, client_of, until
from tests.fake_engine import Endless, Fail


async def test_a_question_is_answered(served):
    """With the figures, and by the name of what answered."""
    served.engine.say("a quiet harbour")
    answer = await served.ask()
    assert answer.choices[0].message.content == "a quiet harbour"
    assert (answer.choices[0].finish_reason, answer.model, answer.object) == ("stop", "base", "chat.completion")
    assert answer.usage.completion_tokens == 3
    served.engine.say(Endless("on and on"))
    assert (await served.ask()).choices[0].finish_reason == "length"


async def test_a_stream_brings_the_words_as_they_come(served):
    """The first chunk has the role, the last the reason; the usage comes where it is asked for."""
    served.engine.say("first second third")
    stream = await served.ask(stream=True, stream_options={"include_usage": True})
    chunks = [one async for one in stream]
    words = [one.choices[0].delta.content for one in chunks if one.choices]
    assert "".join(word for word in words if word) == "first second third"
    assert len([word for word in words if word]) == 3
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == "stop"
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 3)
    assert len({one.id for one in chunks}) == 1


async def test_the_settings_say_how_a_reply_is_drawn_unless_the_request_does(served):
    """And what the model is told."""
    await served.ask()
    drawn = served.engine.samplings[-1]
    assert (drawn.max_new_tokens, drawn.temperature, drawn.stop) == (200, 0.7, ())
    await served.ask(max_tokens=7, temperature=0, top_p=0.5, stop=["\n"], seed=-3)
    drawn = served.engine.samplings[-1]
    assert (drawn.max_new_tokens, drawn.temperature, drawn.top_p, drawn.stop) == (7, 0.0, 0.5, ("\n",))
    assert 0 <= drawn.seed < 1 << 31
    assert served.engine.channels == ["api", "api"]


async def test_fields_that_change_nothing_are_passed_over(served):
    """Also values that switch off what is not done here."""
    off = {"top_k": -1, "min_p": 0, "min_tokens": 0, "length_penalty": 1.0, "use_beam_search": False, "bad_words": []}
    answer = await served.ask(user="u", tool_choice="none", n=1, metadata={"a": "b"}, extra_body=off)
    assert answer.choices[0].message.content == "You said: hello there"


async def test_the_key_is_asked_for(served):
    """Everywhere, also where there is nothing."""
    for key in ("sk-another-key-of-the-tests-99", "x", f"{KEY}x"):
        async with client_of(served.port, key) as stranger:
            with pytest.raises(openai.AuthenticationError) as error:
                await stranger.models.list()
            assert (error.value.status_code, error.value.code) == (401, "invalid_api_key")
    async with aiohttp.ClientSession() as plain:
        for header in ({}, {"Authorization": f"Basic {KEY}"}, {"Authorization": KEY}):
            async with plain.get(f"http://127.0.0.1:{served.port}/nothing", headers=header) as answer:
                assert answer.status == 401
    assert not served.engine.seen


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_p": 0}, "top_p"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"extra_body": {"top_k": 20}}, "top_k"),
        ({"extra_body": {"min_p": 0.1}}, "min_p"),
        ({"extra_body": {"min_tokens": 5}}, "min_tokens"),
        ({"extra_body": {"use_beam_search": True}}, "use_beam_search"),
        ({"extra_body": {"ignore_eos": True}}, "ignore_eos"),
        ({"logprobs": True}, "logprobs"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "be brief"}]}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages"),
        ({"stop": ["a"] * 17}, "stop"),
    ],
    ids=str,
)
async def test_what_cannot_be_done_is_refused_by_its_field(served, options, param):
    """With 400, and the engine is not asked."""
    body = {"messages": [{"role": "user", "content": "x"}], **options}
    with pytest.raises(openai.BadRequestError) as error:
        await served.client.chat.completions.create(model="current", **body)
    assert error.value.type == "invalid_request_error"
    assert error.value.param == param
    assert not served.engine.seen


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"model": 1}',
        b'{"model": "current", "messages": [null]}',
        b'{"model": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"model": ' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001,
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
async def test_a_body_that_is_no_request_is_refused(served, body):
    """In OpenAI's shape too."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as plain:
        async with plain.post(f"http://127.0.0.1:{served.port}/v1/chat/completions", data=body) as answer:
            assert answer.status == 400
            assert set((await answer.json())["error"]) == {"message", "type", "param", "code"}
        async with plain.post(f"http://127.0.0.1:{served.port}/v1/embeddings", data=b"{}") as answer:
            assert answer.status == 404
            assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_halves_of_characters_and_far_too_long_texts_do_no_harm(served):
    """JSON can hold the first; the second is not even tokenized."""
    await served.client.post("/chat/completions", cast_to=object, content=_body("half \ud800 of one"))
    assert served.engine.seen[-1][-1].content == "half ? of one"
    with pytest.raises(openai.BadRequestError) as error:
        await served.ask("x" * 200_000)
    assert error.value.code == "context_length_exceeded"


async def test_one_request_more_than_there_may_be_is_refused(serving):
    """With 429; so is one for which the engine's queue has no place."""
    async with serving(requests=2) as served:
        served.engine.open.clear()
        held = [asyncio.create_task(served.ask()) for _ in range(2)]
        await until(lambda: served.engine.active == 2)
        with pytest.raises(openai.RateLimitError) as error:
            await served.ask()
        assert (error.value.code, error.value.response.headers["retry-after"]) == ("queue_full", "1")
        served.engine.open.set()
        await asyncio.gather(*held)
        served.engine.max_queue = 0
        with pytest.raises(openai.RateLimitError):
            await served.ask()


async def test_an_engine_that_answers_nothing_is_503(served):
    """Before the first token as a status, later as an error in the stream."""
    served.engine.refuse = EngineFailed("the GPU is gone")
    with pytest.raises(openai.InternalServerError) as error:
        await served.ask()
    assert (error.value.status_code, error.value.code) == (503, "engine_unavailable")
    served.engine.refuse = None
    served.engine.say(Fail())
    with pytest.raises(openai.InternalServerError):
        await served.ask(stream=True)
    served.engine.say(Fail(after=1))
    stream = await served.ask(stream=True)
    with pytest.raises(openai.APIError, match="could not be generated"):
        [one async for one in stream]
    assert (await served.ask("still there")).choices[0].message.content == "You said: still there"


async def test_a_client_that_goes_away_stops_its_reply(served):
    """Streaming or not."""
    for stream in (False, True):
        served.engine.open.clear()
        served.engine.say("never read")
        asked = asyncio.create_task(served.ask(stream=stream))
        await until(lambda: served.engine.active)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await asyncio.wait_for(served.engine.idle.wait(), 5)
    served.engine.open.set()
    await served.ask()


@pytest.mark.parametrize("ending", [b"chatcmpl", b'"error"', b"[DONE]", b""], ids=["first", "failed", "last", "end"])
async def test_a_client_that_leaves_a_stream_is_no_error_of_ours(served, monkeypatch, caplog, ending):
    """Whatever was to be written then: a piece, a failure, or the end."""
    write, write_eof = web.StreamResponse.write, web.StreamResponse.write_eof
    left = []

    async def gone(self, data):
        if ending and ending in data and self.content_type == "text/event-stream":
            left.append(data)
            raise ClientConnectionResetError
        await write(self, data)

    async def gone_at_the_end(self, data=b""):
        if not ending and not data and self.content_type == "text/event-stream":
            left.append(data)
            raise ClientConnectionResetError
        await write_eof(self, data)

    monkeypatch.setattr(web.StreamResponse, "write", gone)
    monkeypatch.setattr(web.StreamResponse, "write_eof", gone_at_the_end)
    served.engine.say(Fail(after=1) if b"error" in ending else "one two")
    with contextlib.suppress(openai.APIError, httpx.HTTPError):
        [one async for one in await served.ask(stream=True)]
    monkeypatch.undo()
    assert left
    assert "failed" not in caplog.text
    assert (await served.ask()).choices[0].message.content == "You said: hello there"


async def test_nothing_of_it_is_stored(served, home):
    """Neither the question nor the answer is in a file of the home."""
    served.engine.say("cormorant gannet")
    answer = await served.ask("which albatross?")
    assert "gannet" in answer.choices[0].message.content
    await served.store.call(Store.erase, at_most=None)
    everything = b"".join(path.read_bytes() for path in home.root.rglob("*") if path.is_file())
    assert everything
    assert not any(word in everything for word in (b"cormorant", b"gannet", b"albatross"))


async def test_current_follows_a_promotion(served, tmp_path):
    """Without a restart."""
    await served.engine.swap(AdapterRef("a1", tmp_path))
    assert (await served.ask()).model == "a1"
    assert (await served.ask(model="base")).model == "base"


def _body(text):
    return json.dumps({"model": "current", "messages": [{"role": "user", "content": text}]}).encode()
