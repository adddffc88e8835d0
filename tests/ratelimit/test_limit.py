"""`RateLimit` as a dependency: who is counted, for what, what it costs, and what the client is told."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, WebSocket
from fastapi.testclient import TestClient
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.testclient import WebSocketDenialResponse

from fastapi_kit._principal import set_principal
from fastapi_kit.errors import install as install_errors
from fastapi_kit.ratelimit import LimitStore, RateLimit, header, install, principal_or_address
from fastapi_kit.testing import client


def app_with(limit: RateLimit, *, installed: bool = True, store: LimitStore | None = None, **options: Any) -> FastAPI:
    """An app with one limited route."""
    app = FastAPI(**options)

    @app.get("/", dependencies=[Depends(limit)])
    async def root() -> str:
        return "hello"

    if installed:
        install(app, store=store)
    install_errors(app)
    return app


def statuses(test: TestClient, times: int, path: str = "/", **options: Any) -> list[int]:
    """What so many requests get."""
    return [test.get(path, **options).status_code for _ in range(times)]


@pytest.mark.anyio
async def test_on_every_store(store: LimitStore) -> None:
    """The limit holds wherever it is counted, and the answers say how it stands."""
    async with client(app_with(RateLimit("2/hour"), store=store)) as http:
        answers = [await http.get("/") for _ in range(3)]
    assert [it.status_code for it in answers] == [200, 200, 429]
    assert [it.headers["ratelimit-policy"] for it in answers] == ['"2/hour";q=2;w=3600'] * 3
    assert answers[0].headers["ratelimit"] in {'"2/hour";r=1;t=1800', '"2/hour";r=1;t=1799'}
    assert answers[2].headers["ratelimit"] == '"2/hour";r=0;t=3600'
    assert answers[2].headers["retry-after"] in {"1800", "1799"}
    assert "retry-after" not in answers[0].headers
    assert answers[2].json()["detail"] == "Too many requests: the quota is used up."
    assert answers[2].headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("installed", [True, False], ids=["installed", "alone"])
def test_fields_are_sent_once(installed: bool) -> None:
    """With and without `install` each field is on the answer once, on refusals too."""
    with TestClient(app_with(RateLimit("1/hour"), installed=installed)) as test:
        for status in (200, 429):
            answer = test.get("/")
            assert answer.status_code == status
            assert len(answer.headers.get_list("ratelimit")) == len(answer.headers.get_list("ratelimit-policy")) == 1


def test_several_rules_and_a_name() -> None:
    """Each rule is an item of the fields, under the limit's name and its own text."""
    with TestClient(app_with(RateLimit("5/second;100/hour", name='a "b"'))) as test:
        answer = test.get("/")
    assert answer.headers["ratelimit-policy"] == (r'"a \"b\" 5/second";q=5;w=1, "a \"b\" 100/hour";q=100;w=3600')
    assert answer.headers["ratelimit"] == r'"a \"b\" 5/second";r=4;t=1, "a \"b\" 100/hour";r=99;t=36'


def test_an_endpoint_that_returns_a_response_keeps_the_fields() -> None:
    """FastAPI drops what dependencies put on the answer then; the middleware does not."""
    app = FastAPI()

    @app.get("/", dependencies=[Depends(RateLimit("1/hour"))])
    async def root() -> PlainTextResponse:
        return PlainTextResponse("hello")

    install(app)
    with TestClient(app) as test:
        assert "ratelimit" in test.get("/").headers


def test_each_route_counts_for_itself() -> None:
    """A limit of a router counts for each of its routes, in each inclusion, and not for each parameter."""
    router = APIRouter(dependencies=[Depends(RateLimit("1/hour"))])

    @router.get("/books/{id}")
    async def book(id: int) -> int:  # noqa: A002
        return id

    @router.get("/authors/{id}")
    async def author(id: int) -> int:  # noqa: A002
        return id

    app = FastAPI()
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    install(app)
    with TestClient(app) as test:
        paths = ["/v1/books/1", "/v1/books/2", "/v1/authors/1", "/v2/books/1", "/v2/authors/1", "/v2/authors/2"]
        assert [test.get(path).status_code for path in paths] == [200, 429, 200, 200, 200, 429]


def test_limits_of_one_name_count_together() -> None:
    """A name is what is counted for, whichever route asks."""
    app = FastAPI()
    for path in ("/a", "/b"):
        app.get(path, dependencies=[Depends(RateLimit("2/hour", name="together"))])(lambda: None)
    install(app)
    with TestClient(app) as test:
        assert [test.get(path).status_code for path in ("/a", "/b", "/a", "/b")] == [200, 200, 429, 429]


def test_by_address() -> None:
    """Each address has a quota; addresses of one IPv6 network are one client, and headers name nobody."""
    app = app_with(RateLimit("1/hour"))
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    found = [TestClient(app, client=(address, 1)).get("/").status_code for address in addresses]
    assert found == [200, 200, 429, 200, 429, 200]
    forged = TestClient(app, client=("192.0.2.1", 1)).get("/", headers={"x-forwarded-for": "192.0.2.99"})
    assert forged.status_code == 429


@pytest.mark.parametrize(("host", "same"), [("::ffff:192.0.2.1", 429), ("testclient", 200)])
def test_addresses_in_other_forms(host: str, same: int) -> None:
    """IPv4 over IPv6 is the IPv4 client; what is no address is a name of its own."""
    app = app_with(RateLimit("1/hour"))
    TestClient(app, client=("192.0.2.1", 1)).get("/")
    assert TestClient(app, client=(host, 1)).get("/").status_code == same


def test_by_principal() -> None:
    """Who has authenticated has a quota of their own, from wherever; nobody is counted by address."""

    async def authenticate(connection: HTTPConnection, x_user: Annotated[str | None, Header()] = None) -> None:
        set_principal(connection, SimpleNamespace(id=x_user) if x_user else None)

    app = FastAPI()
    limit = RateLimit("1/hour", by=principal_or_address(lambda user: user.id))

    @app.get("/", dependencies=[Depends(authenticate), Depends(limit)])
    async def root() -> None: ...

    def get(user: str | None, address: str) -> int:
        headers = {"x-user": user} if user else {}
        return TestClient(app, client=(address, 1)).get("/", headers=headers).status_code

    assert [get("ada", "192.0.2.1"), get("ada", "192.0.2.2"), get("bob", "192.0.2.1")] == [200, 429, 200]
    assert [get(None, "192.0.2.1"), get(None, "192.0.2.1"), get(None, "192.0.2.2")] == [200, 429, 200]


def test_by_header() -> None:
    """The value of a header counts, however long or strange it is; without it the address."""
    with TestClient(app_with(RateLimit("1/hour", by=header("X-API-Key")))) as test:
        for value in (b"one", b"two", b"\xff" * 4_000):
            assert statuses(test, 2, headers={b"x-api-key": value}) == [200, 429]
        assert statuses(test, 2) == [200, 429]


def test_functions_may_be_async() -> None:
    """Key, cost and exemption may wait for something."""

    async def by(connection: HTTPConnection) -> str | None:
        await asyncio.sleep(0)
        return connection.headers.get("x-user")

    async def cost(connection: HTTPConnection) -> int:
        await asyncio.sleep(0)
        return int(connection.headers.get("x-cost", "1"))

    async def exempt(connection: HTTPConnection) -> bool:
        await asyncio.sleep(0)
        return "x-admin" in connection.headers

    with TestClient(app_with(RateLimit("3/hour", by=by, cost=cost, exempt=exempt))) as test:
        assert statuses(test, 2, headers={b"x-user": b"\xe9", b"x-cost": b"2"}) == [200, 429]
        assert statuses(test, 9, headers={b"x-user": b"\xe9", b"x-admin": b"1"}) == [200] * 9
        assert statuses(test, 4, headers={"x-user": "b"}) == [200, 200, 200, 429]
        excessive = test.get("/", headers={"x-user": "c", "x-cost": "4"})
        assert excessive.status_code == 429
        assert "retry-after" not in excessive.headers
        assert statuses(test, 2, headers={"x-user": "d", "x-cost": "-5"}) == [200, 200]


def test_shadow_only_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is refused or told of it; the log says what would have been."""
    with TestClient(app_with(RateLimit("1/hour", shadow=True))) as test, caplog.at_level(logging.WARNING):
        answers = [test.get("/") for _ in range(2)]
    assert [it.status_code for it in answers] == [200, 200]
    assert all("ratelimit" not in it.headers for it in answers)
    assert [it.getMessage() for it in caplog.records] == ["GET / would be refused by 1/hour"]


@pytest.mark.parametrize("errors", [True, False], ids=["errors installed", "alone"])
def test_websockets(errors: bool) -> None:
    """A handshake counts, and is refused by a 429, also where no errors are installed."""
    app = FastAPI()

    @app.websocket("/ws", dependencies=[Depends(RateLimit("1/hour"))])
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    install(app)
    if errors:
        install_errors(app)
    with TestClient(app) as test:
        with test.websocket_connect("/ws") as socket:
            assert socket.extra_headers is not None
            assert b"ratelimit" in dict(socket.extra_headers)
        with pytest.raises(WebSocketDenialResponse) as refused, test.websocket_connect("/ws"):
            pass
    assert refused.value.status_code == 429


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rules": "5/fortnight"}, "5/minute"),
        ({"rules": "5/minute", "on_error": "pray"}, "local"),
        ({"rules": "5/minute;2/second", "cost": 3}, "which is 2"),
        ({"rules": "5/minute", "cost": -1}, "between 0"),
    ],
    ids=["rules", "on_error", "cost", "negative"],
)
def test_refuses_what_cannot_work(options: dict[str, Any], message: str) -> None:
    """At construction, with the cure."""
    with pytest.raises(ValueError, match=message):
        RateLimit(**options)
