"""The store in this process."""

import math
from collections import OrderedDict

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.idempotency._record import Record
from fastapi_kit.idempotency._store import Beginning, Begun, InProgress

MEBIBYTE = 1024 * 1024

_OVERHEAD = 400
"""About how many bytes a record takes besides its answer."""


class MemoryIdempotency:
    """Keeps records in this process: for one worker, and until it ends.

    Not for use from several threads.

    Args:
        max_bytes: What all records together weigh at most, about; the oldest go first.
        clock: What tells when a record is over.

    Raises:
        ValueError: `max_bytes` is not above 0.
    """

    def __init__(self, max_bytes: int = 64 * MEBIBYTE, *, clock: Clock = SYSTEM_CLOCK) -> None:
        if not max_bytes > 0:
            raise ValueError(f"max_bytes={max_bytes!r}: a number of bytes above 0")
        self._max_bytes = max_bytes
        self._clock = clock
        self._held: dict[str, tuple[Begun, float]] = {}
        # The answers as bytes, which the garbage collector does not follow: there may be many.
        self._records: OrderedDict[str, tuple[str, bytes, float]] = OrderedDict()
        self.size = 0
        """What the records weigh now, in bytes."""

    async def begin(self, key: str, fingerprint: str, lease: float) -> Beginning:
        """Take the key."""
        now = self._clock.monotonic()
        found = self._records.get(key)
        if found is not None:
            content, answer, until = found
            if now < until:
                return Record.of(content, answer)
            self._drop(key)
        held = self._held.get(key)
        if held is not None and now < held[1]:
            return InProgress()
        begun = Begun(key, fingerprint, "")  # is known by itself here
        self._held[key] = begun, now + lease
        return begun

    async def renew(self, begun: Begun, lease: float) -> bool:
        """Hold the key."""
        if not self._holds(begun):
            return False
        self._held[begun.key] = begun, self._clock.monotonic() + lease
        return True

    async def complete(self, begun: Begun, record: Record, keep: float) -> None:
        """Keep the record."""
        if not self._holds(begun):
            return
        del self._held[begun.key]
        answer = record.answer()
        self._records[begun.key] = record.fingerprint, answer, self._clock.monotonic() + keep
        self.size += _OVERHEAD + len(answer)
        while self.size > self._max_bytes:
            self._drop(next(iter(self._records)))

    async def abandon(self, begun: Begun) -> None:
        """Give the key back."""
        if self._holds(begun):
            del self._held[begun.key]

    def _holds(self, begun: Begun) -> bool:
        held, until = self._held.get(begun.key, (None, -math.inf))
        return held is begun and self._clock.monotonic() < until

    def _drop(self, key: str) -> None:
        self.size -= _OVERHEAD + len(self._records.pop(key)[1])
