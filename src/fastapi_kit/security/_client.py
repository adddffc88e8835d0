"""The layer that puts the client's address in the place of its proxy's."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit.security._proxies import ForwardedHeader, Hop, Networks, client_of, hops_of, parse_address


class TrustedProxiesMiddleware:
    """Tells everything inside the client's address and scheme, where proxies of named networks report them.

    `client` in the scope (`request.client`) becomes the address in the header that is nearest to us and not a trusted
    proxy's, and `scheme` what was said of its connection. From anybody else the headers mean nothing; a text that is
    no address ends what is believed. Add it outermost, so that logs and limits see the same client.

    A server may do this as well, as uvicorn does for proxies on the same machine. Both together are right.

    Args:
        app: What is inside.
        networks: Where the proxies are, such as `10.0.0.0/8`; nothing else is trusted.
        header: The one that these proxies write: `x-forwarded-for`, with `x-forwarded-proto`, or `forwarded`
            (RFC 7239). The other one is not looked at, as they pass it on from clients.

    Raises:
        ValueError: A network or the header is not one; the message names the cure.
    """

    def __init__(self, app: ASGIApp, *, networks: Collection[str], header: ForwardedHeader = "x-forwarded-for") -> None:
        if header not in {"x-forwarded-for", "forwarded"}:
            raise ValueError(f'header={header!r}: choose "x-forwarded-for" or "forwarded", as your proxy writes it.')
        if isinstance(networks, str) or not networks:
            raise ValueError(f"networks={networks!r}: name the networks of your proxies, in a list.")
        self.app = app
        self._trusted = Networks(networks)
        self._header: ForwardedHeader = header
        self._name = header.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, with the client in the scope."""
        if scope["type"] in {"http", "websocket"} and (found := self._client(scope)):
            scope["client"] = (str(found.address), found.port)
            if found.scheme is not None:
                secure = found.scheme == "https"
                plain, over_tls = ("ws", "wss") if scope["type"] == "websocket" else ("http", "https")
                scope["scheme"] = over_tls if secure else plain
        await self.app(scope, receive, send)

    def _client(self, scope: Scope) -> Hop | None:
        peer = parse_address(scope["client"][0]) if scope.get("client") else None
        if peer is None or peer not in self._trusted:
            return None
        values, schemes = _texts(scope, self._name), _texts(scope, b"x-forwarded-proto")
        return client_of(peer, hops_of(self._header, values, schemes), self._trusted)


def _texts(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
