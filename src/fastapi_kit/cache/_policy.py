"""What may be stored, and for how long it may be given again. Pure: headers and times come in, verdicts go out.

Theory of operation. The cache is the origin's own: it stands behind the app's authentication, and how long an answer
lives is said by the route (`CachePolicy`), not guessed. Otherwise it keeps the rules of a shared cache (RFC 9111): what
a request or an answer forbids to store is not stored (sections 3 and 5.2), an answer that depends on a header is only
given to requests with the same value of it (section 4.1), and a client can ask for an answer that is younger, or for a
new one (section 5.2.1). `stale_while_revalidate` is RFC 5861, section 3.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from starlette.requests import Request

from fastapi_kit._principal import NEUTRAL_HEADERS

Headers = Sequence[tuple[bytes, bytes]]
Sharing = Literal["user", "public"]
Freshness = Literal["fresh", "stale", "expired"]

READ_METHODS = frozenset({"GET", "HEAD"})

# Of those that may be stored by default (RFC 9110, section 15.1), less 206, which is a part, and the errors: what is
# not there now may be a moment later.
STORED_STATUSES = frozenset({200, 203, 204, 300, 301, 308})

_NEUTRAL_NAMES = frozenset(name.decode() for name in NEUTRAL_HEADERS)

_NO_DIRECTIVES: Mapping[str, str | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How the answers of one route are cached.

    Attributes:
        ttl: Seconds for which an answer is given again.
        stale_while_revalidate: Seconds after that for which it still is, while a new one is made in the background.
        scope: Who shares it: `"user"`, only requests that say the same of who makes them; `"public"`, all.
        tags: What the answer is made of, to be forgotten by name: names, or a function of the request that gives them.
        vary: Names of further request headers that the answer depends on.
        max_age: Seconds for which clients may use their copy without asking. By default they ask each time and get a
            304 while nothing has changed, so that what is forgotten here is forgotten there, too.

    Raises:
        ValueError: A time is out of range, or the scope is unknown.
    """

    ttl: float
    stale_while_revalidate: float = 0.0
    scope: Sharing = "user"
    tags: Sequence[str] | Callable[[Request], Iterable[str]] = ()
    vary: Sequence[str] = ()
    max_age: int = 0

    def __post_init__(self) -> None:
        if not self.ttl > 0:
            raise ValueError(f"ttl={self.ttl!r}: a number of seconds above 0; leave the route uncached for none")
        if not self.stale_while_revalidate >= 0:
            raise ValueError(f"stale_while_revalidate={self.stale_while_revalidate!r}: 0 seconds or more")
        if self.scope not in {"user", "public"}:
            raise ValueError(f'scope={self.scope!r}: "user", or "public" for what everybody may see')
        if not 0 <= self.max_age <= self.ttl:
            raise ValueError(f"max_age={self.max_age!r}: from 0 up to the ttl, {self.ttl}")
        if not callable(self.tags) and not isinstance(self.tags, str):
            object.__setattr__(self, "tags", tuple(sorted(set(self.tags))))
        if isinstance(self.tags, str) or isinstance(self.vary, str):
            raise ValueError("tags and vary take several names: write ['books'] for one")  # noqa: TRY004 - an argument's value

    @property
    def cache_control(self) -> bytes:
        """What clients and caches on the way are told, if the route does not say it itself."""
        who = b"public" if self.scope == "public" else b"private"
        return who + (b", max-age=%d" % self.max_age if self.max_age else b", no-cache")

    @property
    def varied(self) -> bytes:
        """The `Vary` of the answers; empty for none. It keeps two users of one browser apart, too."""
        names = [*(("authorization", "cookie") if self.scope == "user" else ()), *self.vary]
        return ", ".join(dict.fromkeys(name.lower() for name in names)).encode("latin-1")

    @property
    def covered(self) -> frozenset[str]:
        """Names of the request headers that the key depends on; `*` stands for all but those that tell nobody apart."""
        names = frozenset(name.lower() for name in self.vary)
        return names | {"*"} if self.scope == "user" else names

    def tags_of(self, request: Request | None) -> Sequence[str]:
        """The tags of the answer to this request, each once and in a fixed order; a function of them needs it."""
        if not callable(self.tags):
            return self.tags
        return () if request is None else tuple(sorted(set(self.tags(request))))


def directives(header: bytes | None) -> Mapping[str, str | None]:
    """The directives of a `Cache-Control` header by lower-case name (RFC 9111, section 5.2)."""
    if not header:
        return _NO_DIRECTIVES
    found: dict[str, str | None] = {}
    for part in header.decode("latin-1").split(","):
        name, equals, value = part.strip().partition("=")
        if name:
            found.setdefault(name.lower(), value.strip('" ') if equals else None)
    return found


def is_readable(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request may be answered from the cache, and its answer be stored.

    Parts (`Range`) and conditions on a state other than the client's copy are the route's own affair.
    """
    if method not in READ_METHODS or b"range" in headers or b"if-match" in headers or b"if-unmodified-since" in headers:
        return False
    asked = headers.get(b"cache-control")
    return asked is None or "no-store" not in directives(asked)


def wants_new(asked: Mapping[str, Any]) -> bool:
    """Whether the client asks for an answer that is made now: what browsers send on a reload."""
    return "no-cache" in asked


def satisfies(asked: Mapping[str, str | None], age: float, left: float) -> bool:
    """Whether an answer of this age, fresh for `left` more seconds, is what the client wants (section 5.2.1)."""
    oldest = seconds(asked.get("max-age"))
    if oldest is not None and age > oldest:
        return False
    at_least = seconds(asked.get("min-fresh"))
    return at_least is None or left >= at_least


def storing_time(policy: CachePolicy, method: str, status: int, headers: Headers, covered: frozenset[str]) -> float:
    """Seconds for which this answer may be given again; 0 if it must not be stored.

    Args:
        policy: The route's.
        method: The request's; the answer to HEAD lacks the body.
        status: The answer's.
        headers: The answer's.
        covered: Names of request headers that the key of the answer depends on; `*` for all.
    """
    if method != "GET" or status not in STORED_STATUSES:
        return 0.0
    ttl = policy.ttl
    for name, value in headers:
        if name == b"set-cookie" or (name == b"content-type" and value.startswith(b"text/event-stream")):
            return 0.0
        if name == b"vary" and not _is_covered(value, covered):
            return 0.0
        if name == b"cache-control":
            ttl = min(ttl, _allowed(directives(value), policy))
    return max(ttl, 0.0)


def _allowed(said: Mapping[str, str | None], policy: CachePolicy) -> float:
    """Seconds that the answer's own `Cache-Control` allows; `private` does not hinder what only its user gets."""
    if "no-store" in said or ("private" in said and policy.scope == "public"):
        return 0.0
    shared = seconds(said.get("s-maxage"))
    own = seconds(said.get("max-age"))
    return shared if shared is not None else own if own is not None else policy.ttl


def _is_covered(vary: bytes, covered: frozenset[str]) -> bool:
    names = {name.strip().lower() for name in vary.decode("latin-1").split(",")}
    neutral = _NEUTRAL_NAMES if "*" in covered else names
    return "*" not in names and names.isdisjoint(neutral - covered)


def freshness(policy: CachePolicy, ttl: float, age: float) -> Freshness:
    """Whether an answer that was stored for `ttl` seconds may still be given."""
    if age < ttl:
        return "fresh"
    return "stale" if age < ttl + policy.stale_while_revalidate else "expired"


def seconds(value: str | None) -> float | None:
    """A delta-seconds (RFC 9111, section 1.2.2); `None` for none, and for anything else."""
    return float(value[:10]) if value and value.isascii() and value.isdigit() else None
