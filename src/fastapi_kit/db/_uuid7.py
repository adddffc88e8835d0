"""UUID version 7: keys that sort by the time they were made (RFC 9562, section 5.7)."""

import os
import threading
import time
from uuid import UUID

_RAND_B_BITS = 62
_COUNTER_BITS = 12

_lock = threading.Lock()
_last_millisecond = 0
_counter = 0


def uuid7() -> UUID:
    """Make a UUIDv7: 48 bits of Unix milliseconds, a 12-bit counter, 62 random bits.

    Within one process the results are strictly increasing, also inside one millisecond and when the machine's clock is
    set back: the counter is the "fixed bit-length dedicated counter" of RFC 9562, section 6.2, method 1. Thread safe.
    """
    global _last_millisecond, _counter  # noqa: PLW0603 - the RFC's generator state is one per process
    random = int.from_bytes(os.urandom(9), "big")
    with _lock:
        millisecond = time.time_ns() // 1_000_000
        if millisecond > _last_millisecond:
            _last_millisecond = millisecond
            # Half of the counter's range is left, so that rows of one millisecond can count on.
            _counter = random >> 64 & 0x7F | (random & 0xF) << 7
        else:
            _counter += 1
            if _counter >> _COUNTER_BITS:
                _last_millisecond += 1
                _counter = 0
        millisecond, counter = _last_millisecond, _counter
    value = millisecond << 80 | 0x7 << 76 | counter << 64 | 0b10 << _RAND_B_BITS | random & (1 << _RAND_B_BITS) - 1
    return UUID(int=value)
