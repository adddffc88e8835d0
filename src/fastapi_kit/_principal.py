"""Who makes a request: left in the scope by whatever authenticates, read by whatever decides by it.

The principal is an object of the app's own, such as its user model; the kit hands it on, and looks for no more in it
than what tells it from others.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from starlette.requests import HTTPConnection
from starlette.types import Scope

NEUTRAL_HEADERS = frozenset(
    {
        *(b"accept", b"accept-charset", b"accept-encoding", b"cache-control", b"connection", b"content-length"),
        *(b"content-type", b"date", b"dnt", b"downlink", b"ect", b"expect", b"host", b"if-modified-since"),
        *(b"if-none-match", b"keep-alive", b"origin", b"pragma", b"priority", b"referer", b"rtt", b"save-data", b"te"),
        *(b"sec-ch-ua", b"sec-ch-ua-mobile", b"sec-ch-ua-platform", b"sec-fetch-dest", b"sec-fetch-mode"),
        *(b"sec-fetch-site", b"sec-fetch-user", b"sec-gpc", b"sec-purpose", b"traceparent", b"tracestate"),
        *(b"transfer-encoding", b"upgrade-insecure-requests", b"user-agent", b"via", b"x-correlation-id"),
        *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto", b"x-real-ip"),
        *(b"x-request-id", b"x-request-start"),
    }
)
"""Headers that do not tell persons apart: how an answer is transported, which program asks, by which way.

What an answer makes of `Accept` or an address is said by `vary`."""

_CREDENTIALS = frozenset({b"authorization", b"cookie"})

_PRINCIPAL = "fastapi_kit.principal"


class UnknownUserError(Exception):
    """The request is somebody's, and nobody can say whose."""


def set_principal(connection: HTTPConnection, principal: Any) -> None:
    """Say who makes this request; called by a dependency that has found it out.

    `None` stands for someone who is known to be nobody; not calling this at all, for a request that was not looked at.
    """
    connection.scope[_PRINCIPAL] = principal


def has_principal(scope: Scope) -> bool:
    """Whether somebody has said who makes this request."""
    return _PRINCIPAL in scope


def principal_of(scope: Scope) -> Any:
    """The principal of this request; `None` for nobody, and where nobody has looked."""
    return scope.get(_PRINCIPAL)


def identity_of(principal: Any) -> bytes:
    """What tells a principal from all others: a text, a number or a UUID, its own or that of its `id` or `sub`.

    Raises:
        UnknownUserError: It has none of these.
    """
    for candidate in _candidates(principal):
        if isinstance(candidate, str | int | UUID) and not isinstance(candidate, bool):
            return f"{type(principal).__qualname__}:{candidate}".encode("utf-8", "surrogatepass")
    raise UnknownUserError


def whose(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> list[bytes]:
    """All that a request says of who makes it: its principal, and every header that may tell persons apart.

    Raises:
        UnknownUserError: It has credentials, and nobody has said whose they are; or the principal has no identity.
    """
    said = sorted([name for name in headers if name not in NEUTRAL_HEADERS])
    principal = scope.get(_PRINCIPAL)
    if principal is None and not _CREDENTIALS.isdisjoint(said):
        raise UnknownUserError
    parts = [b"nobody" if principal is None else identity_of(principal)]
    for name in said:
        parts += (name, headers[name])
    return parts


def _candidates(principal: Any) -> Iterable[Any]:
    yield principal
    if isinstance(principal, Mapping):
        yield principal.get("id")  # pyright: ignore[reportUnknownMemberType]
        yield principal.get("sub")  # pyright: ignore[reportUnknownMemberType]
        return
    for name in ("id", "sub", "subject"):
        yield getattr(principal, name, None)
