"""What of a request makes it the same as another: its key, its owner, its content. Pure.

Theory of operation. A key names an attempt of one client at one thing (draft-ietf-httpapi-idempotency-key-header-07).
Clients choose keys by themselves, so two clients may choose the same one: what is stored is found by a digest of the
owner, the method, the path and the key. The owner is the principal where a dependency has said who it is, else what the
headers say of who makes the request, by their names; not all headers, as proxies and clients add some that differ with
each try. That the content is the same, too, is seen by a digest of its own, the fingerprint: a
key that comes back with other content is a fault of the client.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from fastapi_kit._principal import identity_of, principal_of

HEADER = b"idempotency-key"

_KEY = re.compile(rb'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
"""A string of structured fields (RFC 9651, section 3.3.3) without escapes, or the bare text that most clients send."""

_OF_SOMEBODY = re.compile(
    rb"auth|cookie|api-?key|token|session|secret|signature|user|account|tenant|client-id|customer"
)
"""In the names of headers that tell persons apart."""

_NOT_OF_SOMEBODY = frozenset({b"user-agent"})

_BOUNDARY = re.compile(rb'boundary="?([^";]+)"?')


class MalformedKeyError(ValueError):
    """The header's value is no key."""


def key_in(header: bytes) -> bytes:
    """The key that the header holds; the quotes are not part of it.

    Raises:
        MalformedKeyError: It is empty, too long, or not of visible ASCII characters.
    """
    found = _KEY.fullmatch(header.strip(b" \t"))
    if found is None:
        raise MalformedKeyError
    return found[1] or found[2]


def record_key(key: bytes, scope: Mapping[str, Any], owner: Sequence[bytes]) -> str:
    """What a request's record is found by, as 32 hexadecimal digits."""
    return _digest((key, scope["method"], scope["path"], *owner)).hexdigest()


def owner_of(scope: Any, headers: Mapping[bytes, bytes]) -> list[bytes]:
    """Whose the request is.

    Raises:
        UnknownUserError: The principal has nothing that tells it from others.
    """
    principal = principal_of(scope)
    if principal is not None:
        return [b"principal", identity_of(principal)]
    parts = [b"headers"]
    for name in sorted(filter(_is_of_somebody, headers)):
        parts += (name, headers[name])
    return parts


@lru_cache(maxsize=1_000)
def _is_of_somebody(name: bytes) -> bool:
    return name not in _NOT_OF_SOMEBODY and _OF_SOMEBODY.search(name) is not None


def fingerprint(query: bytes, content_type: bytes, body: bytes) -> str:
    """A digest of a request's content, as 32 hexadecimal digits.

    The boundary of a multipart body is left out, as clients make another one each time.
    """
    kind = content_type.partition(b";")[0].strip().lower()
    if kind.startswith(b"multipart/") and (found := _BOUNDARY.search(content_type)):
        body = body.replace(found[1], b"")
    digest = _digest((query, kind))
    digest.update(body)
    return digest.hexdigest()


def _digest(parts: tuple[str | bytes, ...]) -> blake2b:
    """Of a form that no two tuples share, and that no other one begins with."""
    return blake2b(repr(parts).encode(), digest_size=16)
