"""An answer as it is stored: what was sent, and when. Pure."""

import struct
from dataclasses import dataclass
from hashlib import blake2b

from fastapi_kit._asgi import header, packed, unpacked
from fastapi_kit.cache._policy import Headers

FORMAT = 2
"""Of the bytes; those of another format are read as nothing."""

_HEAD = struct.Struct(">BHdddI")
_OVERHEAD = 400
"""About what the objects of an answer weigh besides its bytes."""

_WEAKLY_MATCHED = b"W/"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer of a route, rendered.

    Attributes:
        status: Of the answer.
        headers: With lower-case names, as they were sent; with an `etag`.
        body: The bytes.
        made_at: When it was made, in seconds since the epoch.
        ttl: Seconds for which it is fresh.
        stale: Seconds for which it may be given after that.
    """

    status: int
    headers: Headers
    body: bytes
    made_at: float
    ttl: float
    stale: float = 0.0

    @property
    def etag(self) -> bytes:
        """Its entity tag; empty if it has none."""
        return header(self.headers, b"etag") or b""

    @property
    def lifetime(self) -> float:
        """Seconds from when it was made to when it is of no more use."""
        return self.ttl + self.stale

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        return _OVERHEAD + len(self.body) + sum(len(name) + len(value) + 100 for name, value in self.headers)

    def to_bytes(self) -> bytes:
        """The answer as bytes: a head of fixed size, the headers, the body."""
        headers = packed(self.headers)
        head = _HEAD.pack(FORMAT, self.status, self.made_at, self.ttl, self.stale, len(headers))
        return b"".join((head, headers, self.body))

    @classmethod
    def from_bytes(cls, data: bytes, start: int = 0) -> "StoredAnswer | None":
        """What `to_bytes` has written, from `start` on; `None` for anything else."""
        begin = start + _HEAD.size
        if len(data) < begin:
            return None
        form, status, made_at, ttl, stale, length = _HEAD.unpack_from(data, start)
        end = begin + length
        if form != FORMAT or len(data) < end:
            return None
        return cls(status, unpacked(data[begin:end]), data[end:], made_at, ttl, stale)


def strong_etag(body: bytes) -> bytes:
    """A strong entity tag (RFC 9110, section 8.8.3): equal in all processes, for equal bytes alone."""
    return b'"' + blake2b(body, digest_size=16).hexdigest().encode() + b'"'


def is_known(if_none_match: bytes | None, etag: bytes) -> bool:
    """Whether the client has the answer with this tag, by weak comparison (RFC 9110, sections 8.8.3.2 and 13.1.2)."""
    if not if_none_match or not etag:
        return False
    if if_none_match == etag or if_none_match.strip() == b"*":
        return True
    opaque = etag.removeprefix(_WEAKLY_MATCHED)
    return any(tag.strip().removeprefix(_WEAKLY_MATCHED) == opaque for tag in if_none_match.split(b","))
