"""An answer as it is stored: what was sent, and when. Pure."""

import json
import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from fastapi_kit.cache._policy import Headers

FORMAT = 1
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
    etag: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = next((value for name, value in self.headers if name == b"etag"), b"")
        object.__setattr__(self, "etag", found)

    @property
    def lifetime(self) -> float:
        """Seconds from when it was made to when it is of no more use."""
        return self.ttl + self.stale

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        return _OVERHEAD + len(self.body) + sum(len(name) + len(value) + 100 for name, value in self.headers)

    def to_bytes(self) -> bytes:
        """The answer as bytes: a head of fixed size, the headers as JSON, the body."""
        pairs = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers]
        headers = json.dumps(pairs, separators=(",", ":")).encode()
        head = _HEAD.pack(FORMAT, self.status, self.made_at, self.ttl, self.stale, len(headers))
        return b"".join((head, headers, self.body))

    @classmethod
    def from_bytes(cls, data: bytes) -> "StoredAnswer | None":
        """What `to_bytes` has written; `None` for anything else."""
        try:
            form, status, made_at, ttl, stale, length = _HEAD.unpack_from(data)
            end = _HEAD.size + length
            if form != FORMAT or len(data) < end:
                return None
            pairs: Any = json.loads(data[_HEAD.size : end])
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
        except (struct.error, ValueError, TypeError, AttributeError):
            return None
        return cls(status, headers, data[end:], made_at, ttl, stale)


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
