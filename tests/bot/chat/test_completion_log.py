"""The log of a reply on its way: which request it was, what it cost, and none of its words."""

from __future__ import annotations

import json
import logging

from bot.log_formats import JsonFormatter
from bot.request_id import request_id
from tests.fake_engine import Fail


async def test_every_entry_about_an_answer_carries_its_request(stage, caplog):
    """The id is that of the message that asked, as the store has it."""
    caplog.set_level(logging.INFO)
    lines = []

    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(json.loads(JsonFormatter(()).format(record)))

    handler = Lines()
    logging.getLogger("bot").addHandler(handler)
    try:
        stage.engine.say("a quiet harbour")
        reply = await stage.reply(await stage.ask("where do boats sleep?"))
        stage.engine.say(Fail())
        await stage.ask("and ships?")
    finally:
        logging.getLogger("bot").removeHandler(handler)
    (done,) = [one for one in lines if one["logger"] == "bot.chat.completion_log"]
    assert done["request"] == str(reply.prompt_message_id)
    assert (done["completion_tokens"], done["finish_reason"]) == (3, "stop")
    (failed,) = [one for one in lines if one["level"] == "warning" and "failed" in one["message"]]
    assert failed["request"] not in {"", done["request"]}
    assert not any(word in json.dumps(lines) for word in ("harbour", "boats", "ships"))
    assert request_id() == ""
