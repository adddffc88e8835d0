"""The kit's CORS layer says what Starlette's says."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.middleware.cors import CORSMiddleware as StarletteCORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit.security import CORS, CORSMiddleware
from tests.security.calls import drive

pytestmark = pytest.mark.anyio

SHOP = "https://shop.example"
POLICIES = [
    CORS(origins=[SHOP]),
    CORS(origins=["https://*.shop.example"], credentials=True, expose=()),
    CORS(origins=["*"], methods=["GET", "PUT"], headers=["X-Token"]),
    CORS(),
]

origins = st.none() | st.sampled_from([SHOP, "https://a.shop.example", "https://evil.example", "null", "", "\xff"])
asked = st.fixed_dictionaries(
    {},
    optional={
        "access-control-request-method": st.sampled_from(["GET", "DELETE"]),
        "access-control-request-headers": st.sampled_from(["x-token", "x-other"]),
    },
)
said = st.lists(
    st.tuples(
        st.sampled_from(["vary", "content-type", "access-control-allow-origin", "access-control-max-age", "x"]),
        st.sampled_from(["Accept-Encoding", "Origin", "*", "Cookie, Accept"]),
    ),
    max_size=4,
)


def answering(headers: list[tuple[str, str]]) -> ASGIApp:
    """An app that answers with these headers, in this order."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pairs = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": b"body"})

    return app


@settings(max_examples=300, deadline=None)
@given(
    policy=st.sampled_from(POLICIES),
    method=st.sampled_from(["GET", "OPTIONS", "PUT"]),
    origin=origins,
    asked=asked,
    said=said,
)
def test_it_says_what_starlettes_says(
    policy: CORS, method: str, origin: str | None, asked: dict[str, str], said: list[tuple[str, str]]
) -> None:
    """Law: status, headers and body are the same, for answers and for preflight requests."""
    request = {**asked, **({} if origin is None else {"origin": origin})}
    headers = [(name.encode(), value.encode("latin-1")) for name, value in request.items()]
    ours, theirs = (
        asyncio.run(drive(layer, method=method, headers=headers))
        for layer in (
            CORSMiddleware(answering(said), policy=policy),
            StarletteCORSMiddleware(answering(said), **policy.options()),
        )
    )
    for message in (*ours, *theirs):
        if "headers" in message:
            message["headers"] = sorted((name.lower(), value) for name, value in message["headers"])
    assert ours == theirs


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_what_is_no_http_request_passes(kind: str) -> None:
    """It has no answer that a page could read."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    await drive(CORSMiddleware(app, policy=POLICIES[0]), type=kind)
    assert [scope["type"] for scope in seen] == [kind]


async def test_inventing_origins_fills_no_memory() -> None:
    """What is kept for origins is bounded."""
    layer = CORSMiddleware(answering([]), policy=CORS(origins=[SHOP]))
    for number in range(1_000):
        await drive(layer, headers=[(b"origin", b"https://%d.example" % number)])
    kept = layer._added.cache_info()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - memory shows nowhere else
    assert kept.currsize == kept.maxsize
