"""Which requests may share an answer: the key under which it is stored. Pure.

Theory of operation. A key is a digest of all that may tell two answers apart: the endpoint, the path with the values in
it, the query with its order made regular, the `Vary` headers, and, unless the route's scope is `public`, all that a
request says of who makes it. What that is, nobody declares: a dependency may read any header. So every header counts
but for those that are known to say nothing of a person. A request that is somebody's (`Authorization`, a cookie) of
whom no dependency has said who it is has no key: it is answered by the route alone.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from fastapi_kit._principal import whose
from fastapi_kit.cache._policy import CachePolicy


def key_of(
    policy: CachePolicy, name: str, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], *, by_path: bool = True
) -> str:
    """The key of the answer to this request, as 32 hexadecimal digits.

    Args:
        policy: The route's.
        name: Of the endpoint; the path, with all prefixes and parameters, is the request's.
        scope: The request's, after its dependencies have run.
        headers: The request's, with the values of a repeated one joined.
        by_path: Whether host, path and query count, too; else the name says all of them that does.

    Raises:
        UnknownUserError: The answer is not to be shared with any other request.
    """
    parts: list[str | bytes] = [name]
    if by_path:
        parts += (scope["path"], _regular(scope["query_string"]), headers.get(b"host", b""))
    if policy.vary:
        parts += [headers.get(varied.lower().encode("latin-1"), b"") for varied in policy.vary]
    if policy.scope != "public":
        parts += whose(scope, headers)
    # Written so that no two lists of parts are the same bytes.
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


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
    if b"&" not in query:
        return query
    ordered = sorted(query.split(b"&"), key=_name)
    return b"&".join(ordered)


def _name(pair: bytes) -> bytes:
    return pair[: pair.index(b"=")] if b"=" in pair else pair
