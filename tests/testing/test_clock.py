"""`FrozenClock`."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from fastapi_kit.testing import FrozenClock


def test_stands_still_until_advanced() -> None:
    """Both of its clocks go on together, and only when told to."""
    clock = FrozenClock(datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now() == clock.now() == datetime(2023, 12, 31, 23, tzinfo=UTC)
    before = clock.monotonic()
    clock.advance(timedelta(minutes=1))
    clock.advance(0.5)
    assert clock.now() == datetime(2023, 12, 31, 23, 1, 0, 500_000, tzinfo=UTC)
    assert clock.monotonic() - before == 60.5


def test_refuses_what_is_no_time() -> None:
    """A naive start names no instant, and time does not go back."""
    with pytest.raises(ValueError, match="time zone"):
        FrozenClock(datetime(2024, 1, 1))  # noqa: DTZ001 - the point
    with pytest.raises(ValueError, match="does not go back"):
        FrozenClock().advance(-1)
