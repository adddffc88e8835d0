"""Which host names are served, so that a foreign name that leads here is of no use.

A name of somebody else's that resolves to this server lets a page in a victim's browser talk to it as to its own origin
(DNS rebinding), and comes back in whatever links are made from `Host`. Neither works with an address in its place, and
those who look after a service know it by its address alone; so what they ask for is served there, too.
"""

import re
from collections.abc import Collection, Iterable
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit._routes import path_below
from fastapi_kit.errors import BadRequestError

_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::[0-9]*)?")
_PATTERN = re.compile(r"(?:\*\.)?[0-9a-z_-]+(?:\.[0-9a-z_-]+)*|\[[0-9a-f:.]+\]")


class TrustedHostsMiddleware:
    """Refuses requests for hosts that are not served, with a 400 in the one shape of errors.

    Starlette's answers in plain text. This one raises, so it goes inside an error boundary: add it before `install`.

    Args:
        app: What is inside.
        hosts: Names that are served, in any case; `*.example.com` for all subdomains, at any depth.
        probes: Paths that are also served under a bare IP address, as orchestrators and scrapers call them.

    Raises:
        ValueError: No host is given, or one can never match; the message names the cure.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str], probes: Collection[str] = ("/health", "/ready", "/metrics")
    ) -> None:
        self.app = app
        names = {_checked(host.lower()) for host in _several(hosts)}
        self._names = frozenset(name for name in names if not name.startswith("*."))
        self._domains = tuple(name[1:] for name in names if name.startswith("*."))
        self._probes = frozenset(probes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, if this host is served."""
        if scope["type"] in {"http", "websocket"} and not self._serves(scope):
            raise BadRequestError("This host is not served here.")
        await self.app(scope, receive, send)

    def _serves(self, scope: Scope) -> bool:
        name = _name([value for key, value in scope["headers"] if key == b"host"])
        if name is None:
            return False
        if name in self._names or (self._domains and name.endswith(self._domains)):
            return True
        return _is_address(name) and path_below(scope["path"], scope.get("root_path", "")) in self._probes


def _several(hosts: Collection[str]) -> Iterable[str]:
    if isinstance(hosts, str) or not hosts:
        raise ValueError(f"hosts={hosts!r}: list the hosts that are served, or leave the layer out to serve all.")
    return hosts


def _checked(pattern: str) -> str:
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(
            f"{pattern!r} is no host: write its name alone, 'api.example.com' or '*.example.com', without scheme, port "
            "and path."
        )
    return pattern


def _name(values: list[bytes]) -> str | None:
    """The name in the one `Host` header that a request may have (RFC 9112, section 3.2), in lower case."""
    matched = _HOST.fullmatch(values[0].decode("latin-1")) if len(values) == 1 else None
    return matched["host"].lower() if matched else None


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
