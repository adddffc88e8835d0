"""A clock that stands still until it is told to go on."""

from datetime import UTC, datetime, timedelta

_START = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)


class FrozenClock:
    """A clock for whatever takes a `clock` argument; not safe to advance from two threads at once.

    Args:
        now: The instant at which it stands; aware. By default noon UTC on 29 February 2024.

    Raises:
        ValueError: `now` has no time zone.

    Example:
        >>> clock = FrozenClock()
        >>> before = clock.monotonic()
        >>> clock.advance(1.5)
        >>> clock.now().isoformat(), clock.monotonic() - before
        ('2024-02-29T12:00:01.500000+00:00', 1.5)
    """

    def __init__(self, now: datetime = _START) -> None:
        if now.tzinfo is None:
            raise ValueError("a naive datetime names no instant: give it a time zone, e.g. datetime.now(UTC)")
        self._start = now.astimezone(UTC)
        self._passed = timedelta()

    def now(self) -> datetime:
        """The instant at which it stands, in UTC."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Seconds by which it was advanced."""
        return self._passed.total_seconds()

    def advance(self, by: timedelta | float) -> None:
        """Go on by a span of time, or by seconds.

        Raises:
            ValueError: The span is negative: `monotonic` never goes back.
        """
        span = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if span < timedelta():
            raise ValueError("time does not go back; make another clock for an earlier instant")
        self._passed += span
