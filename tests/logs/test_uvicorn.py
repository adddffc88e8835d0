"""The log of a real server."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

APPLICATION = """
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi_kit.errors import install
from fastapi_kit.logs import RequestContextMiddleware, configure

configure("INFO", "json")
app = FastAPI()


@app.get("/broken")
async def broken():
    raise ValueError("the one and only")


@app.get("/stream")
async def stream():
    async def chunks():
        yield b"first"
        raise RuntimeError("too late")

    return StreamingResponse(chunks())


@app.get("/fine")
async def fine():
    return 1


install(app)
app.add_middleware(RequestContextMiddleware)

if __name__ == "__main__":
    import sys
    import uvicorn

    uvicorn.run(app, port=int(sys.argv[1]))
"""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def get(port: int, path: str) -> int:
    """The status of a request with an id."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"X-Request-ID": "id" + path.partition("?")[0]})
        response = connection.getresponse()
        response.read()
        return response.status


def wait_until_served(port: int, server: subprocess.Popen[str]) -> None:
    """Return when the server answers."""
    for _ in range(200):
        assert server.poll() is None, server.communicate()
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not start")


@pytest.fixture(params=["command line", "application object"])
def lines(request: pytest.FixtureRequest, tmp_path: Path) -> list[dict[str, Any]]:
    """The log of a server that served one request well and one badly, however it was started."""
    (tmp_path / "served.py").write_text(APPLICATION)
    port = free_port()
    command = (
        [sys.executable, "-m", "uvicorn", "served:app", "--port", str(port)]
        if request.param == "command line"
        else [sys.executable, "served.py", str(port)]
    )
    server = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until_served(port, server)
        assert get(port, "/fine?token=hunter2") == 200
        assert get(port, "/broken") == 500
        with pytest.raises(http.client.IncompleteRead):  # a truncated stream looks truncated
            get(port, "/stream")
    finally:
        server.terminate()
        output, _ = server.communicate(timeout=20)
    written = output.splitlines()
    if request.param == "application object":
        # uvicorn says that it starts before it starts the application, which only then can take its loggers over.
        written = [line for line in written if not line.startswith("INFO:")]
    return [json.loads(line) for line in written]


@pytest.mark.slow
def test_failure_has_one_traceback_with_the_request_id(lines: list[dict[str, Any]]) -> None:
    """The server logs the exception that the boundary raised again; that line, and no other, has the traceback."""
    tracebacks = [line for line in lines if "exception" in line]
    assert [line["request_id"] for line in tracebacks] == ["id/broken", "id/stream"]
    assert {(line["logger"], line["level"]) for line in tracebacks} == {("uvicorn.error", "error")}
    for line, text in zip(tracebacks, ("the one and only", "too late"), strict=True):
        assert text in line["exception"]
        assert sum(text in json.dumps(other) for other in lines) == 1


@pytest.mark.slow
def test_every_request_has_one_event_and_no_access_line(lines: list[dict[str, Any]]) -> None:
    """The access event replaces uvicorn's line; what the server says of itself comes out in the same form."""
    events = [line for line in lines if line["event"] == "request"]
    assert [(event["url"], event["status_code"], event["outcome"]) for event in events] == [
        ("/fine", 200, "ok"),
        ("/broken", 500, "error"),
        ("/stream", 200, "truncated"),
    ]
    assert [event["request_id"] for event in events] == ["id/fine", "id/broken", "id/stream"]
    assert "uvicorn.access" not in {line["logger"] for line in lines}
    assert "Application startup complete." in {line["event"] for line in lines}
    assert "hunter2" not in json.dumps(lines)
