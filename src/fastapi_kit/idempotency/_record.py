"""What is kept of a request that was carried out. Pure."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Headers = Sequence[tuple[bytes, bytes]]

TOO_LARGE = 0
"""The status of a record whose answer was not kept: that the request was carried out is all that is known."""

_HEAD = struct.Struct(">HI")
_OVERHEAD = 400


@dataclass(frozen=True, slots=True)
class Record:
    """The answer to a request that was carried out.

    Attributes:
        fingerprint: Of the request's content.
        status: Of the answer; `TOO_LARGE` if it was not kept.
        headers: Of the answer, with lower-case names.
        body: Of the answer.
    """

    fingerprint: str
    status: int
    headers: Headers = ()
    body: bytes = b""

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        return _OVERHEAD + len(self.body) + sum(len(name) + len(value) + 100 for name, value in self.headers)

    def answer(self) -> bytes:
        """Status, headers and body as bytes."""
        headers = headers_as_json(self.headers).encode()
        return b"".join((_HEAD.pack(self.status, len(headers)), headers, self.body))

    @classmethod
    def of(cls, fingerprint: str, answer: bytes) -> "Record":
        """The record with what `answer` gave."""
        status, length = _HEAD.unpack_from(answer)
        end = _HEAD.size + length
        return cls(fingerprint, status, headers_from_json(answer[_HEAD.size : end]), answer[end:])


def headers_as_json(headers: Headers) -> str:
    """Headers as a text."""
    return json.dumps([[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers])


def headers_from_json(text: str | bytes) -> list[tuple[bytes, bytes]]:
    """What `headers_as_json` was given."""
    pairs: Any = json.loads(text)
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
