"""The headers that answers get, one situation each."""

from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit._principal import set_principal
from fastapi_kit.errors import install
from fastapi_kit.security import API_HEADERS, SecurityHeadersMiddleware, no_store
from tests.security.calls import answering, drive, headers_of

pytestmark = pytest.mark.anyio

LOWER = {name.lower(): value for name, value in API_HEADERS.items()}
HSTS = "strict-transport-security"


def protected(app: ASGIApp, **options: Any) -> SecurityHeadersMiddleware:
    """The layer around an app."""
    return SecurityHeadersMiddleware(app, **options)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_answer_gets_the_whole_profile(scheme: str) -> None:
    """All of it over HTTPS; without it all but the header that would be ignored there."""
    got = await headers_of(protected(answering({"content-type": "a/b"})), scheme=scheme)
    expected = LOWER if scheme == "https" else {name: value for name, value in LOWER.items() if name != HSTS}
    assert got == {"content-type": "a/b", **expected}


async def test_what_the_route_says_is_left_as_it_is() -> None:
    """A header of the route's own stands, whatever its name's case, and is there once."""
    own = {"X-Frame-Options": "SAMEORIGIN", "referrer-policy": "origin", HSTS: "max-age=0"}
    got = await headers_of(protected(answering(own)), scheme="https")
    assert {name: got[name] for name in own} == own
    assert "x-frame-options" not in got
    assert got["x-content-type-options"] == "nosniff"


async def test_the_rest_of_the_answer_passes_unchanged() -> None:
    """Only the start is completed; a stream stays one."""
    plain, added = await drive(answering()), await drive(protected(answering()))
    assert added[1:] == plain[1:]
    assert {**added[0], "headers": []} == plain[0]


async def test_a_profile_of_ones_own() -> None:
    """What is given is all there is."""
    layer = protected(answering(), headers={"Cross-Origin-Resource-Policy": "cross-origin"})
    assert await headers_of(layer, scheme="https") == {"cross-origin-resource-policy": "cross-origin"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("X Y", "a"), ("", "a"), ("X", ""), ("X", "a\r\nSet-Cookie: b"), ("X", "ä"), ("X", "a ")],
    ids=["name with space", "no name", "no value", "two lines", "not ascii", "space at the end"],
)
def test_what_is_no_header_is_refused(name: str, value: str) -> None:
    """At start-up, not as a broken answer."""
    with pytest.raises(ValueError, match="header"):
        protected(answering(), headers={name: value})


@pytest.mark.parametrize(
    ("request_headers", "answer_headers", "expected"),
    [
        pytest.param({}, {}, None, id="nobody's"),
        pytest.param({"authorization": "Bearer x"}, {}, "no-store", id="with a token"),
        pytest.param({"cookie": "session=x"}, {}, "no-store", id="with a cookie"),
        pytest.param({"cookie": "a=b"}, {"etag": '"1"'}, "private, no-cache", id="with an etag"),
        pytest.param({"cookie": "a=b"}, {"last-modified": "x"}, "private, no-cache", id="with a date"),
        pytest.param({"cookie": "a=b"}, {"cache-control": "public"}, "public", id="said by the route"),
        pytest.param({}, {"etag": '"1"'}, None, id="public with an etag"),
    ],
)
async def test_caches_keep_nothing_that_is_somebodys(
    request_headers: dict[str, str], answer_headers: dict[str, str], expected: str | None
) -> None:
    """Unless the route has said what caches may do."""
    raw = [(name.encode(), value.encode()) for name, value in request_headers.items()]
    got = await headers_of(protected(answering(answer_headers)), headers=raw)
    assert got.get("cache-control") == expected


async def test_who_was_found_out_by_other_means_is_somebody() -> None:
    """A principal that a dependency has found counts, however it came."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        set_principal(HTTPConnection(scope), "ada")
        await answering()(scope, receive, send)

    assert (await headers_of(protected(app)))["cache-control"] == "no-store"


async def test_a_profile_may_say_it_of_all() -> None:
    """Then nothing else is added."""
    layer = protected(answering(), headers={"Cache-Control": "no-cache"})
    got = await headers_of(layer, headers=[(b"cookie", b"a=b")])
    assert got == {"cache-control": "no-cache"}


@pytest.mark.parametrize("path", ["/token", "/refused"])
def test_no_store_holds_for_answers_and_errors(path: str) -> None:
    """A route that issues tokens says so once."""
    app = FastAPI()

    @app.post("/token", dependencies=[Depends(no_store)])
    async def token() -> str:
        return "secret"

    @app.post("/refused", dependencies=[Depends(no_store)])
    async def refused() -> None:
        raise HTTPException(401)

    install(app)
    app.add_middleware(SecurityHeadersMiddleware)
    assert TestClient(app).post(path).headers["cache-control"] == "no-store"


async def test_refused_websockets_have_them() -> None:
    """A refusal is an answer like any other."""
    got = await headers_of(protected(answering(kind="websocket.http")), type="websocket", scheme="wss")
    assert got == LOWER


async def test_other_scopes_pass() -> None:
    """Start-up and shut-down are nobody's answer."""
    start = (await drive(protected(answering()), type="lifespan"))[0]
    assert start["headers"] == []
