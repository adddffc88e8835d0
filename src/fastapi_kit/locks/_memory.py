"""Leases in this process."""

from fastapi_kit._clock import SYSTEM_CLOCK, Clock


class MemoryLocks:
    """Keeps leases in this process: for tests, and for apps with one worker.

    Args:
        clock: What time it is.
    """

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._leases: dict[str, tuple[int, float]] = {}
        self._last = 0

    async def acquire(self, name: str, ttl: float) -> int | None:
        """Take the lease; its token, or `None` if another one is in force."""
        now = self._clock.monotonic()
        if name in self._leases and self._leases[name][1] > now:
            return None
        self._last += 1  # one count for all names, so that ended leases leave nothing behind
        self._leases[name] = (self._last, now + ttl)
        return self._last

    async def renew(self, name: str, token: int, ttl: float) -> bool:
        """Let the lease last from now; `False` if it is no longer in force."""
        if not self._is_in_force(name, token):
            return False
        self._leases[name] = (token, self._clock.monotonic() + ttl)
        return True

    async def release(self, name: str, token: int) -> bool:
        """End the lease; `False` if it was no longer in force."""
        if not self._is_in_force(name, token):
            return False
        del self._leases[name]
        return True

    def _is_in_force(self, name: str, token: int) -> bool:
        held, ends = self._leases.get(name, (0, 0.0))
        return held == token and ends > self._clock.monotonic()
