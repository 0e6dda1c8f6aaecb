"""A headless Chromium that shows a page and takes pictures of parts of it, spoken to over the DevTools protocol.

Only what docs/screenshots.py needs, so that no browser driver has to be installed. Knows nothing of the bot.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

__all__ = ["Browser", "ChromiumMissing"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
_START_S = 30.0


class ChromiumMissing(Exception):
    """No browser was found."""

    def __init__(self) -> None:
        super().__init__("No Chromium found: install one, or name it in the environment variable CHROMIUM.")


class Browser:
    """One page. Sizes in CSS pixels; pictures have twice as many."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, width: int, height: int) -> AsyncIterator[Self]:
        """Start a browser with an empty page; it is gone afterwards, with all it wrote. Raises ChromiumMissing."""
        program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
        if program is None:
            raise ChromiumMissing
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            process = await asyncio.create_subprocess_exec(
                program,
                *_FLAGS,
                f"--user-data-dir={folder}",
                "about:blank",
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                port = await _port(Path(folder) / "DevToolsActivePort")
                async with aiohttp.ClientSession() as session:
                    async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                        pages = [one for one in await response.json() if one["type"] == "page"]
                    async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                        browser = cls(socket)
                        size = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": False}
                        await browser._call("Emulation.setDeviceMetricsOverride", **size)
                        yield browser
            finally:
                process.terminate()
                await process.wait()

    async def go(self, url: str) -> None:
        """Load a page anew."""
        await self._call("Page.navigate", url="about:blank")
        await self._call("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are waited for."""
        answer = await self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", script))
        return answer["result"].get("value")

    async def until(self, condition: str, seconds: float = 20.0) -> None:
        """Wait until a JavaScript expression is true. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not await self.run(f"Boolean({condition})"):  # noqa: ASYNC110  (only the page knows)
                await asyncio.sleep(0.1)

    async def picture(self, path: Path, *, first: str, last: str | None = None, margin: int = 12) -> None:
        """Write the part of the page from one element (a JavaScript expression) to another as PNG."""
        script = (
            f"(() => {{ const a = ({first}).getBoundingClientRect(), b = ({last or first}).getBoundingClientRect();"
            "return {x: Math.min(a.x, b.x) + scrollX, y: a.y + scrollY,"
            " width: Math.max(a.right, b.right) - Math.min(a.x, b.x), height: b.bottom - a.y} })()"
        )
        box, before = await self.run(script), None
        while box != before:  # a page that still scrolls or grows would be taken where it was
            await asyncio.sleep(0.3)
            box, before = await self.run(script), box
        clip = {
            "x": max(0, box["x"] - margin),
            "y": max(0, box["y"] - margin),
            "width": box["width"] + 2 * margin,
            "height": box["height"] + 2 * margin,
            "scale": 1,
        }
        taken, before = "", None
        while taken != before:  # a busy browser may paint what the page was a moment ago
            await self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
            answer = await self._call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
            taken, before = answer["data"], taken
        await asyncio.to_thread(path.write_bytes, base64.b64decode(taken))

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async for message in self._socket:
            answer = json.loads(message.data)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
        raise RuntimeError("The browser has ended.")


async def _port(file: Path) -> int:
    """Where the browser listens; it writes that into a file when it is ready."""
    async with asyncio.timeout(_START_S):
        while not (lines := await asyncio.to_thread(_lines, file)):  # noqa: ASYNC110  (another process writes it)
            await asyncio.sleep(0.1)
    return int(lines[0])


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
