"""Whose requests are counted together: functions for `RateLimit(by=...)`.

Each takes the connection, and may be async. What it gives is the client's name within a limit; `None` means that there
is none, and the address counts.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

from fastapi_kit._principal import principal_of

Key = Callable[[HTTPConnection], str | Awaitable[str | None] | None]
"""Names the client of a request, or says that it has no name."""

_LONGEST = 128
_NETWORK_OF_ONE = 64


def client_address(connection: HTTPConnection) -> str:
    """The client's address; of an IPv6 one the first 64 bits, as one client has all addresses of such a network.

    It is the address of whoever has connected. Behind proxies let `TrustedProxiesMiddleware` of `fastapi_kit.security`
    put the client's in its place; no header is read here.
    """
    return address_of(connection.scope)


def address_of(scope: Scope) -> str:
    """`client_address` of what the server says of a connection."""
    client = scope.get("client")
    if not client:
        return "unknown"  # a Unix socket, a test
    host: str = client[0]
    return _network(host) if ":" in host else host


def principal_or_address(identify: Callable[[Any], object]) -> Key:
    """By who has authenticated, and by address where nobody has.

    The dependency that authenticates has to come before the limit: in the list of `dependencies`, or as one of a router
    that is outside of the limit's.

    Args:
        identify: What tells principals apart, such as `operator.attrgetter("id")`.
    """

    def by(connection: HTTPConnection) -> str | None:
        principal = principal_of(connection.scope)
        return None if principal is None else f"principal:{identify(principal)}"

    return by


def header(name: str) -> Key:
    """By the value of a header, such as `X-API-Key`, which is kept as a hash; by address where it is missing.

    A header says what the client likes, and who invents a new value for each request is never limited: use it only
    where a dependency before it has verified the value.
    """

    def by(connection: HTTPConnection) -> str | None:
        value = connection.headers.get(name)
        return None if value is None else f"header:{_digest(value)}"

    return by


def as_key(identity: str) -> str:
    """A text that is short and plain enough to be part of a key."""
    return identity if len(identity) <= _LONGEST and identity.isascii() else _digest(identity)


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@lru_cache(maxsize=4_096)
def _network(host: str) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, _NETWORK_OF_ONE), strict=False))
    return str(address.ipv4_mapped or address) if isinstance(address, IPv6Address) else host
