"""`explore`: the store in Datasette."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from bot.exploration import public_database
from storage.store import Store
from tests.storage.conftest import a_reply


@pytest.fixture
def filled(home):
    with Store.open(home.ensure().db) as store:
        store.add_review(store.add_reply(a_reply("secretquestion", "secretanswer")), "approve", reviewer="secretname")
    return home


async def test_the_browser_sees_tables_and_no_words(filled):
    """By pages, by SQL, and in the list of databases; nothing can be written or downloaded."""
    with public_database(filled.db) as shown:
        await shown.invoke_startup()
        page = await shown.client.get("/nightshift/reviews.json?_shape=array")
        assert [(row["reply_id"], row["verdict"]) for row in page.json()] == [(1, "approve")]
        for path in ("/", "/nightshift", "/nightshift/replies", "/nightshift/replies/1"):
            answer = await shown.client.get(path)
            assert answer.status_code == 200
            assert "secret" not in answer.text
        for query, status in (("select text from replies", 400), ("delete from reviews", 400)):
            answer = await shown.client.get("/nightshift.json", params={"sql": query})
            assert answer.status_code == status
        assert (await shown.client.get("/nightshift/consents")).status_code == 404
        assert (await shown.client.get("/nightshift.db")).status_code >= 400
    with Store.open(filled.db) as store:
        assert store.latest_review(1).verdict == "approve"


def test_it_serves_until_ctrl_c(filled):
    """The address is printed; exit code 0."""
    program = "from bot.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "explore"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NIGHTSHIFT_HOME": str(filled.root)},
    ) as running:
        try:
            address = running.stdout.readline().split()[1].rstrip(".")
            with urllib.request.urlopen(f"{address}/runs.json", timeout=20) as answer:  # noqa: S310 - our own
                assert json.load(answer)["rows"] == []
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == 0, errors
    assert "Traceback" not in errors


def test_without_a_store_there_is_nothing_to_show(nightshift, home):
    """And none is made."""
    nightshift("explore").fails_with(1, "There is no store")
    assert not home.root.exists()


def test_without_datasette_it_says_how_to_get_it(nightshift, filled, monkeypatch):
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "datasette.app", None)
    nightshift("explore").fails_with(1, "nightshift-discord[explore]")


def test_a_port_that_is_taken_is_a_sentence(nightshift, filled):
    """With what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        nightshift("explore", "--port", str(other.getsockname()[1])).fails_with(1, "cannot be opened")
