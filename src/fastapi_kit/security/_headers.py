"""The security headers of an API's answers, and the layer that adds them.

Theory of operation. What an API answers is data: nothing in it is ever rendered, framed or run, so a browser is told to
do none of that (OWASP REST Security Cheat Sheet). The headers are joined once; an answer costs one look at the names
that it has. What a route has set itself is left as it is, so an exception is made where it is needed: in the route.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit._principal import has_principal

API_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Strict-Transport-Security": "max-age=31536000",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
"""What every answer of an API says; `API_HEADERS | {...}` is another profile.

`Cross-Origin-Resource-Policy` does not hinder what CORS allows, only embedding, as by `<img>`. There is no
`Permissions-Policy`, as no script runs in an answer that could use a permission.
"""

Pair = tuple[bytes, bytes]

_NO_STORE = "fastapi_kit.no_store"
_HSTS = b"strict-transport-security"
_CACHE_CONTROL = b"cache-control"
_CREDENTIALS = frozenset({b"authorization", b"cookie"})
_STORE_NOTHING: Pair = (_CACHE_CONTROL, b"no-store")
_ASK_AGAIN: Pair = (_CACHE_CONTROL, b"private, no-cache")
_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?")


async def no_store(connection: HTTPConnection) -> None:
    """Keep the answer out of every cache, errors included: `dependencies=[Depends(no_store)]`, for tokens and the like.

    RFC 6749, section 5.1, asks for it where tokens are issued. It takes effect in `SecurityHeadersMiddleware`.
    """
    connection.scope[_NO_STORE] = True


class SecurityHeadersMiddleware:
    """Adds security headers to every answer, where the route has not set them itself.

    - `headers`, with `Strict-Transport-Security` over HTTPS alone (RFC 6797, section 7.2).
    - `Cache-Control`, where there is none and the request was somebody's: it came with `Authorization` or a cookie, or
      something has said who makes it. Then no cache may store the answer (`no-store`); one with a validator, which is
      there to be asked again with, may be kept by the client alone (`private, no-cache`).

    Refusals of websockets have the headers, too, where the server can send them. Add it outside of what answers, CORS
    and the error boundary included, and inside of whatever finds out that the client speaks HTTPS.

    Args:
        app: What is inside.
        headers: By name; `API_HEADERS` if not given.

    Raises:
        ValueError: A header's name or value is not one.
    """

    def __init__(self, app: ASGIApp, *, headers: Mapping[str, str] = API_HEADERS) -> None:
        self.app = app
        self._secure = _Profile(headers)
        self._plain = _Profile({name: value for name, value in headers.items() if name.lower() != _HSTS.decode()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, and complete the start of its answer."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        profile = self._secure if scope.get("scheme") in {"https", "wss"} else self._plain

        async def complete(message: Message) -> None:
            if message["type"] in _STARTS:
                message = {**message, "headers": profile.complete(message.get("headers", ()), scope)}
            await send(message)

        await self.app(scope, receive, complete)


class _Profile:
    """Headers as the bytes that are sent."""

    __slots__ = ("_names", "_pairs")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._pairs = [_pair(name, value) for name, value in headers.items()]
        self._names = frozenset(name for name, _ in self._pairs)

    def complete(self, given: Iterable[Pair], scope: Scope) -> list[Pair]:
        """The headers of an answer, with those that it lacks."""
        headers = list(given)
        names = {name.lower() for name, _ in headers}
        if names.isdisjoint(self._names):
            headers += self._pairs
        else:
            headers += [pair for pair in self._pairs if pair[0] not in names]
        if _CACHE_CONTROL not in names and _CACHE_CONTROL not in self._names:
            if _NO_STORE in scope:
                headers.append(_STORE_NOTHING)
            elif _is_somebodys(scope):
                headers.append(_ASK_AGAIN if names & {b"etag", b"last-modified"} else _STORE_NOTHING)
        return headers


def _is_somebodys(scope: Scope) -> bool:
    """Whether an answer may depend on who asks: RFC 9111, section 3.5, protects no request but those with the first."""
    return has_principal(scope) or not _CREDENTIALS.isdisjoint(dict(scope["headers"]))


def _pair(name: str, value: str) -> Pair:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header: letters, digits and hyphens make one.")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"The header {name} cannot be {value!r}: one line of ASCII, leave the header out for none.")
    return name.lower().encode(), value.encode()
