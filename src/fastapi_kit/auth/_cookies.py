"""Sessions of browsers: tokens in cookies that scripts cannot read, and what keeps other sites from using them.

Theory of operation. A browser sends cookies with every request to us, whoever has made it send one (CSRF). So what
changes something must come with a header that only a page of ours can add: the CSRF token, which is in a cookie that
scripts of ours can read (double submit). Its hash is in the access token as well, so that no cookie that somebody else
has planted fits. With the prefix `__Host-` browsers let no other host and no plain HTTP plant one (RFC 6265bis, section
4.1.3.2), and `SameSite` keeps them from sending ours along with other sites' requests.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple

from fastapi.requests import HTTPConnection
from starlette.responses import Response

from fastapi_kit.auth._rotation import digest

CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""


class Held(NamedTuple):
    """What a browser holds, and for how long."""

    access: str
    refresh: str
    csrf: str
    access_for: timedelta
    session_for: timedelta


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of a session: `__Host-access`, `__Host-refresh` and `__Host-csrf`.

    Args:
        secure: Whether browsers send them over HTTPS alone, and to localhost. Without it the names have no prefix:
            for development on another host.
        same_site: `lax`: sent with links from other sites; `strict`: not even with those.

    Raises:
        ValueError: `same_site` is another value; `none` would send them along with every site's requests.
    """

    secure: bool = True
    same_site: Literal["lax", "strict"] = "lax"

    def __post_init__(self) -> None:
        if self.same_site not in {"lax", "strict"}:
            raise ValueError(f'same_site={self.same_site!r}: choose "lax" or "strict"')

    def name(self, kind: Literal["access", "refresh", "csrf"]) -> str:
        """The name of a cookie."""
        return f"__Host-{kind}" if self.secure else kind

    def access_token(self, connection: HTTPConnection) -> str | None:
        """The access token that came in a cookie."""
        return connection.cookies.get(self.name("access"))

    def refresh_token(self, connection: HTTPConnection) -> str | None:
        """The refresh token that came in a cookie."""
        return connection.cookies.get(self.name("refresh"))

    def is_echoed(self, connection: HTTPConnection) -> bool:
        """Whether the header repeats the cookie: what is left to check when the access token has expired."""
        cookie = connection.cookies.get(self.name("csrf"), "")
        return bool(cookie) and _equal(connection.headers.get(CSRF_HEADER, ""), cookie)

    def put(self, response: Response, held: Held) -> None:
        """Set all three."""
        self._set(response, "access", held.access, held.access_for)
        self._set(response, "refresh", held.refresh, held.session_for)
        self._set(response, "csrf", held.csrf, held.session_for, readable=True)

    def clear(self, response: Response) -> None:
        """Have the browser forget all three."""
        for kind in ("access", "refresh", "csrf"):
            self._set(response, kind, "", timedelta(0), readable=kind == "csrf")

    def _set(
        self,
        response: Response,
        kind: Literal["access", "refresh", "csrf"],
        value: str,
        lasts: timedelta,
        *,
        readable: bool = False,
    ) -> None:
        response.set_cookie(
            self.name(kind),
            value,
            max_age=int(lasts.total_seconds()),
            path="/",
            secure=self.secure,
            httponly=not readable,
            samesite=self.same_site,
        )


def is_our_page(connection: HTTPConnection, csrf_digest: object) -> bool:
    """Whether a request with cookies changes nothing, or has the CSRF token that belongs to its access token."""
    if connection.scope.get("method", "GET") in SAFE_METHODS:
        return True
    given = connection.headers.get(CSRF_HEADER, "")
    return isinstance(csrf_digest, str) and bool(given) and _equal(_digest(given), csrf_digest)


def _digest(text: str) -> str:
    return digest(text) if text.isascii() else ""


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("latin-1", "replace"), other.encode("latin-1", "replace"))
