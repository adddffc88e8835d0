"""Which hosts are served."""

from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from fastapi_kit.errors import install
from fastapi_kit.security import TrustedHostsMiddleware
from tests.security.calls import answering, drive


def guarded(**options: Any) -> FastAPI:
    """An app for a few hosts."""
    app = FastAPI()

    @app.get("/health")
    @app.get("/")
    async def answer() -> str:
        return "served"

    @app.websocket("/chat")
    async def chat(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("served")
        await websocket.close()

    app.add_middleware(
        TrustedHostsMiddleware, hosts=["api.example.com", "*.Wild.example", "localhost", "[::1]"], **options
    )
    install(app)
    return app


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("api.example.com", "/", 200),
        ("API.Example.com:8000", "/", 200),
        ("localhost:8000", "/", 200),
        ("[::1]:8000", "/", 200),
        ("a.b.wild.example", "/", 200),
        ("wild.example", "/", 400),
        ("evilwild.example", "/", 400),
        ("api.example.com.evil.com", "/", 400),
        ("evil.com", "/", 400),
        ("evil.com", "/health", 400),
        ("10.0.0.5:8000", "/health", 200),
        ("[fd00::5]", "/health", 200),
        ("10.0.0.5", "/", 400),
        ("", "/", 400),
        ("api.example.com@evil.com", "/", 400),
        ("api.example.com/evil", "/", 400),
        ("api.example.com:evil", "/", 400),
    ],
)
def test_a_host_is_served_or_refused_in_the_one_shape(host: str, path: str, status: int) -> None:
    """By its name alone; probes come by address."""
    answer = TestClient(guarded()).get(path, headers={"host": host})
    assert answer.status_code == status
    if status == 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["title"], answer.json()["detail"]) == ("Bad Request", "This host is not served here.")


def test_probes_may_be_closed_as_well() -> None:
    """Where orchestrators send a name."""
    answer = TestClient(guarded(probes=())).get("/health", headers={"host": "10.0.0.5"})
    assert answer.status_code == 400


@pytest.mark.anyio
@pytest.mark.parametrize("hosts", [[], [b"localhost", b"localhost"], [b"\xff"]], ids=["none", "two", "not ascii"])
async def test_a_request_has_one_host(hosts: list[bytes]) -> None:
    """None, two or something else is a malformed request (RFC 9112, section 3.2)."""
    start = (await drive(guarded(), headers=[(b"host", host) for host in hosts], query_string=b""))[0]
    assert start["status"] == 400


def test_websockets_are_refused_likewise() -> None:
    """As HTTP in place of the handshake."""
    client = TestClient(guarded())
    with client.websocket_connect("/chat", headers={"host": "localhost"}) as websocket:
        assert websocket.receive_text() == "served"
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/chat", headers={"host": "evil.com"}),
    ):
        pass
    assert refused.value.status_code == 400
    assert refused.value.json()["detail"] == "This host is not served here."


@pytest.mark.parametrize(
    "hosts", [[], "a.example", ["https://a.example"], ["a.example:80"], ["a.example/"], ["*"], ["a.*.example"], [""]]
)
def test_what_can_never_match_is_refused(hosts: list[str] | str) -> None:
    """The mistake shows at start-up, not as a service that serves nobody."""
    with pytest.raises(ValueError, match="host"):
        TrustedHostsMiddleware(answering(), hosts=hosts)


@pytest.mark.anyio
async def test_other_scopes_pass() -> None:
    """A lifespan has no host."""
    assert await drive(TrustedHostsMiddleware(answering(), hosts=["a"]), type="lifespan")
