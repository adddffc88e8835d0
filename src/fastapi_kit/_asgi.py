"""What the kit's ASGI layers agree on: the keys they leave in the scope and how they read headers."""

from collections.abc import Iterable, Sequence

from starlette.types import Scope

REQUEST_ID = "fastapi_kit.request_id"
"""Scope key of the request id (a `str`), set by the outermost layer and read by whoever reports about the request."""

SESSION = "fastapi_kit.session"
"""Scope key of the database session that this request's session dependency opened, while it is open."""


def request_id(scope: Scope) -> str | None:
    """The id of this request, or `None` where no layer has given it one."""
    found: str | None = scope.get(REQUEST_ID)
    return found


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first value of `name` (lower case) among raw ASGI headers, or `None`."""
    for key, value in headers:
        if key == name:
            return value
    return None


def packed(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Raw headers as bytes, for a store: no name or value has a zero byte (RFC 9110, section 5.5)."""
    return b"\0".join([part for pair in headers for part in pair])


def unpacked(data: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that `packed` was given."""
    parts = iter(data.split(b"\0"))
    return list(zip(parts, parts, strict=False))  # of nothing at all, one part is left
