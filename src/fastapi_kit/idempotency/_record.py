"""What is kept of a request that was carried out. Pure."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi_kit._asgi import packed, unpacked

Headers = Sequence[tuple[bytes, bytes]]

TOO_LARGE = 0
"""The status of a record whose answer was not kept: that the request was carried out is all that is known."""

_HEAD = struct.Struct(">HI")


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

    def answer(self) -> bytes:
        """Status, headers and body as bytes."""
        headers = packed(self.headers)
        return b"".join((_HEAD.pack(self.status, len(headers)), headers, self.body))

    @classmethod
    def of(cls, fingerprint: str, answer: bytes) -> "Record":
        """The record with what `answer` gave."""
        status, length = _HEAD.unpack_from(answer)
        end = _HEAD.size + length
        return cls(fingerprint, status, unpacked(answer[_HEAD.size : end]), answer[end:])
