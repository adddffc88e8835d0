"""The law of the access log: whatever is sent, a request is one line of JSON."""

import io
import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message, Scope

from fastapi_kit.errors import install
from fastapi_kit.logs import RequestContextMiddleware, configure

app = FastAPI()


@app.get("/items/{name}")
async def read(name: str) -> str:
    """Answer what was asked for."""
    return name


install(app)
app.add_middleware(RequestContextMiddleware)
output = io.StringIO()


@pytest.fixture(autouse=True)
def lines_as_json(logging_as_it_was: None) -> Iterator[None]:
    """Access events go to `output`."""
    configure("INFO", "json", stream=output)
    yield
    output.seek(0)
    output.truncate()


header_values = st.binary(max_size=300) | st.text().map(lambda text: text.encode("utf-8", "replace"))
header_names = st.sampled_from([b"user-agent", b"x-request-id", b"accept", b"cookie"])


@pytest.mark.anyio
@settings(deadline=None)  # a loaded machine is no failure
@given(
    path=st.text(st.characters(codec=None)),
    method=st.sampled_from(["GET", "POST"]) | st.text(min_size=1, max_size=10),
    headers=st.lists(st.tuples(header_names, header_values), max_size=6),
    client=st.none() | st.tuples(st.text(), st.integers(0, 65535)),
)
async def test_every_request_is_one_line_of_json(
    path: str, method: str, headers: list[tuple[bytes, bytes]], client: tuple[str, int] | None
) -> None:
    """Law: any path, method and header makes exactly one line, which is JSON and ends where it says."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    output.seek(0)
    output.truncate()
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": "/items/" + path,
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": client,
        "server": ("test", 80),
        "scheme": "http",
    }
    await app(scope, receive, send)
    assert output.getvalue().endswith("\n")
    (line,) = output.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["status_code"]) == ("request", sent[0]["status"])
    assert dict(sent[0]["headers"])[b"x-request-id"] == event["request_id"].encode()
