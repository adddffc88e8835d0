"""Which requests may share an answer: the key under which it is stored. Pure.

Theory of operation. A key is a digest of all that may tell two answers apart: the endpoint, the path with the values in
it, the query with its order made regular, the `Vary` headers, and, unless the route's scope is `public`, all that a
request says of who makes it. What that is, nobody declares: a dependency may read any header. So every header counts
but for those that are known to say nothing of a person. A request that is somebody's (`Authorization`, a cookie) of
whom no dependency has said who it is has no key: it is answered by the route alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any
from uuid import UUID

from fastapi_kit._principal import principal_of
from fastapi_kit.cache._policy import NEUTRAL_HEADERS, CachePolicy

_CREDENTIALS = frozenset({b"authorization", b"cookie"})


class UnknownUserError(Exception):
    """The request is somebody's, and nobody has said whose: its answer belongs to nobody else."""


def key_of(policy: CachePolicy, name: str, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
    """The key of the answer to this request, as 32 hexadecimal digits.

    Args:
        policy: The route's.
        name: Of the endpoint; the path, with all prefixes and parameters, is the request's.
        scope: The request's, after its dependencies have run.
        headers: The request's, with the values of a repeated one joined.

    Raises:
        UnknownUserError: The answer is not to be shared with any other request.
    """
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16)
    query: bytes = scope["query_string"]
    _add(digest, scope["path"].encode("utf-8", "surrogatepass"), _regular(query), headers.get(b"host", b""))
    _add(digest, *(headers.get(varied.lower().encode("latin-1"), b"") for varied in policy.vary))
    if policy.scope != "public":
        for part in _whose(scope, headers):
            _add(digest, part)
    return digest.hexdigest()


def _whose(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> list[bytes]:
    """All that a request says of who makes it."""
    said = sorted(headers.keys() - NEUTRAL_HEADERS)
    principal = principal_of(scope)  # type: ignore[arg-type]
    if principal is None:
        if not _CREDENTIALS.isdisjoint(said):
            raise UnknownUserError
        whose = [b"nobody"]
    else:
        whose = [identity_of(principal)]
    for name in said:
        whose += (name, headers[name])
    return whose


def identity_of(principal: Any) -> bytes:
    """What tells a principal from all others: a text, a number or a UUID, its own or that of its `id` or `sub`.

    Raises:
        UnknownUserError: It has none of these.
    """
    for candidate in _candidates(principal):
        if isinstance(candidate, str | int | UUID) and not isinstance(candidate, bool):
            return f"{type(principal).__qualname__}:{candidate}".encode("utf-8", "surrogatepass")
    raise UnknownUserError


def _candidates(principal: Any) -> Iterable[Any]:
    yield principal
    if isinstance(principal, Mapping):
        yield principal.get("id")  # pyright: ignore[reportUnknownMemberType]
        yield principal.get("sub")  # pyright: ignore[reportUnknownMemberType]
        return
    for name in ("id", "sub", "subject"):
        yield getattr(principal, name, None)


def headers_of(raw: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; the values of a repeated one are joined, as RFC 9110, section 5.3, allows."""
    headers = dict(raw)
    if len(headers) != len(raw):
        headers = {}
        for name, value in raw:
            headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def _regular(query: bytes) -> bytes:
    """The query with its parameters in the order of their names; repeated ones keep their order, which may matter."""
    return b"&".join(sorted(query.split(b"&"), key=_name)) if b"&" in query else query


def _name(pair: bytes) -> bytes:
    return pair.partition(b"=")[0]


def _add(digest: Any, *parts: bytes) -> None:
    """Add parts so that no two lists of parts are the same bytes."""
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
