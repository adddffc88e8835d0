"""A Chromium that a test steers over the DevTools protocol, as somebody would with mouse and keyboard."""

import base64
import itertools
import json
import mimetypes
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
"""The program, if there is one on this machine."""

_PATIENCE = 20
"""Seconds until something that should happen has not happened."""


class Page:
    """One page of a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}
        self._directory: Path | None = None
        target = self._command("Target.createTarget", url="about:blank")["targetId"]
        self._session = {
            "sessionId": self._command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        }

    def open(self, url: str) -> None:
        """Go there."""
        self._command("Page.navigate", url=url)

    def serve(self, host: str, directory: Path) -> None:
        """Answer for `host`, which tests must not need, with the files of the same names in `directory`."""
        self._directory = directory
        self._command("Fetch.enable", patterns=[{"urlPattern": f"https://{host}/*"}])

    def look(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        found = self._command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str, value: object = True) -> None:
        """Until an expression of JavaScript has this value."""
        deadline = time.monotonic() + _PATIENCE
        while (found := self.look(expression)) != value:
            assert time.monotonic() < deadline, f"{expression} is {found!r}"
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of the first element that fits."""
        x, y = self.look(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: "center", behavior: "instant"}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self._command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        """Click into a field and type."""
        self.click(selector)
        self._command("Input.insertText", text=text)

    def forget(self, cookie: str) -> None:
        """Delete a cookie of the page's host."""
        self._command("Network.deleteCookies", name=cookie, url=self.look("location.href"))

    def _command(self, method: str, **parameters: object) -> Any:
        number = self._send(method, **parameters)
        while True:
            message = json.loads(self._connection.recv(timeout=_PATIENCE))
            if message.get("method") == "Fetch.requestPaused":
                self._fulfil(message["params"])
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _send(self, method: str, **parameters: object) -> int:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters, **self._session}))
        return number

    def _fulfil(self, paused: Any) -> None:
        name = PurePosixPath(urlsplit(str(paused["request"]["url"])).path).name
        assert self._directory is not None
        self._send(
            "Fetch.fulfillRequest",
            requestId=paused["requestId"],
            responseCode=200,
            responseHeaders=[{"name": "Content-Type", "value": str(mimetypes.guess_type(name)[0])}],
            body=base64.b64encode((self._directory / name).read_bytes()).decode(),
        )


@contextmanager
def opened_page(directory: Path) -> Generator[Page]:
    """A page of a browser whose files are in `directory`; on a machine that has `CHROMIUM`."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    process = subprocess.Popen([str(CHROMIUM), *options, f"--user-data-dir={directory}"], stderr=subprocess.DEVNULL)
    try:
        with connect(_address(directory / "DevToolsActivePort"), max_size=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        process.wait()


def _address(told: Path) -> str:
    """Where the browser listens, which it writes into this file: the port, and the path."""
    deadline = time.monotonic() + _PATIENCE
    while not (told.exists() and (lines := told.read_text().splitlines())[1:]):
        assert time.monotonic() < deadline, "the browser does not start"
        time.sleep(0.02)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
