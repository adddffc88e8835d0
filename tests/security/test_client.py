"""The client that everything inside sees."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from fastapi_kit.security import TrustedProxiesMiddleware
from tests.security.calls import answering, drive

pytestmark = pytest.mark.anyio

PROXY = ("10.0.0.1", 40_000)
SAYS = [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-proto", b"https"), (b"forwarded", b"for=2.2.2.2;proto=http")]


async def seen(*, header: Any = "x-forwarded-for", **scope: Any) -> tuple[Any, str]:
    """Client and scheme inside of the layer."""
    inside: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inside.append(scope)

    await drive(TrustedProxiesMiddleware(app, networks=["10.0.0.0/8"], header=header), **scope)
    return inside[0].get("client"), inside[0]["scheme"]


async def test_the_client_takes_the_place_of_its_proxy() -> None:
    """With its scheme."""
    assert await seen(client=PROXY, headers=SAYS) == (("1.1.1.1", 0), "https")


async def test_one_header_is_read() -> None:
    """The one that the proxies write."""
    assert await seen(client=PROXY, headers=SAYS, header="forwarded") == (("2.2.2.2", 0), "http")


async def test_a_websocket_has_schemes_of_its_own() -> None:
    """Which say the same."""
    assert await seen(type="websocket", scheme="ws", client=PROXY, headers=SAYS) == (("1.1.1.1", 0), "wss")
    assert (await seen(type="websocket", scheme="wss", client=PROXY, headers=SAYS, header="forwarded"))[1] == "ws"


@pytest.mark.parametrize("client", [("9.9.9.9", 1), None, ("unix:", 0), ("testclient", 50_000)])
async def test_nobody_else_is_believed(client: tuple[str, int] | None) -> None:
    """Strangers, and peers without an address."""
    assert await seen(client=client, headers=SAYS) == (client, "http")


async def test_a_server_may_have_found_the_client_already() -> None:
    """As uvicorn has for proxies on the same machine: what it has found is no proxy's address, or one that counts."""
    inside: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inside.append(scope)

    ours: Any = TrustedProxiesMiddleware(app, networks=["10.0.0.0/8", "127.0.0.1"])
    for said in ("6.6.6.6, 1.1.1.1", "6.6.6.6, 1.1.1.1, 10.0.0.2"):
        both: Any = ProxyHeadersMiddleware(ours, "127.0.0.1")
        await drive(both, client=("127.0.0.1", 1), headers=[(b"x-forwarded-for", said.encode())])
        assert inside.pop()["client"] == ("1.1.1.1", 0)


async def test_a_proxy_that_says_nothing_is_the_client() -> None:
    """There is nothing else to know."""
    assert await seen(client=PROXY, headers=[]) == (PROXY, "http")


async def test_a_mapped_proxy_is_believed() -> None:
    """An IPv4 proxy on a socket for both kinds."""
    assert (await seen(client=("::ffff:10.0.0.1", 1), headers=SAYS))[0] == ("1.1.1.1", 0)


@pytest.mark.parametrize(
    "options", [{"networks": []}, {"networks": "10.0.0.0/8"}, {"networks": ["10.0.0.0/8"], "header": "x-real-ip"}]
)
def test_what_says_nothing_is_refused(options: dict[str, Any]) -> None:
    """At start-up."""
    with pytest.raises(ValueError, match=r"networks=|header="):
        TrustedProxiesMiddleware(answering(), **options)


async def test_other_scopes_pass() -> None:
    """A lifespan has no client."""
    assert await drive(TrustedProxiesMiddleware(answering(), networks=["10.0.0.0/8"]), type="lifespan", client=PROXY)
