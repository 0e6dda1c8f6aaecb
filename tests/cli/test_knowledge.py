"""`nightshift knowledge` on real files, a real database, and a page of this machine's own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

PAGE = b"<html><head><title>Opening hours</title></head><body><p>The shop opens at ten.</p></body></html>"


@pytest.fixture
def address():
    """A web page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/broken":
                self.wfile.write(b"what is this\r\n\r\n")
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if self.path == "/cut":
                self.send_header("Content-Length", str(len(PAGE) + 100))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_args):
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hours"
        server.shutdown()
        thread.join()


def test_a_file_is_added_listed_found_and_removed(nightshift, store, tmp_path):
    """With its own title."""
    store.remember_home_server([1])
    file = tmp_path / "rules.md"
    file.write_text("# House rules\n\nThe raid begins at eight.\n")
    assert nightshift("knowledge", "add", file).out == "added document 1, House rules (1 parts)\n"
    (listed,) = nightshift("knowledge", "list", "--json").json
    assert (listed["title"], listed["server"], listed["url"]) == ("House rules", 1, None)
    assert nightshift("recall", "When does the raid begin?", "--json").json["found"][0]["what"].endswith("House rules")
    assert nightshift("knowledge", "remove", "1").out == "removed document 1, House rules\n"
    assert nightshift("knowledge", "list").out == "no documents\n"


def test_a_web_page_is_read_from_its_address(nightshift, store, address):
    """Which is where members find it."""
    assert nightshift("knowledge", "add", address, "--server", "1").out.startswith("added document 1, Opening hours")
    assert store.documents(1)[0].url == address


@pytest.mark.parametrize(
    ("page", "said"), [("broken", "what is this"), ("cut", "broke off"), ("a b", "control characters")]
)
def test_a_server_that_speaks_no_http_is_said_in_a_sentence(nightshift, address, page, said):
    """Also one that breaks off, and an address that cannot be asked for."""
    nightshift("knowledge", "add", address.replace("hours", page), "--server", "1").fails_with(1, said)


def test_what_cannot_be_read_is_said_in_a_sentence(nightshift, tmp_path):
    """Each with its way out."""
    (tmp_path / "a.exe").write_bytes(b"x")
    nightshift("knowledge", "add", tmp_path / "a.exe", "--server", "1").fails_with(1, "can be read")
    nightshift("knowledge", "add", tmp_path / "none.md", "--server", "1").fails_with(1, "No such file")
    (tmp_path / "a.md").write_text("Hello.")
    nightshift("knowledge", "add", tmp_path / "a.md").fails_with(1, "--server")
    nightshift("knowledge", "remove", "7", "--server", "1").fails_with(1, "no document 7")
