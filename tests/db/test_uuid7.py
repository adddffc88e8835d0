"""UUIDv7 (RFC 9562, section 5.7)."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest

from fastapi_kit.db import uuid7


def test_layout() -> None:
    """Version, variant and milliseconds are where the RFC has them."""
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.variant == RFC_4122
    assert before <= made.int >> 80 <= after + 1


def make(count: int) -> list[UUID]:
    """So many, one after the other."""
    return [uuid7() for _ in range(count)]


def test_increases_across_threads() -> None:
    """Each thread sees its own values increase, and no two are the same."""
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(make, [5_000] * 4))
    assert all(run == sorted(run) for run in runs)
    assert len({made for run in runs for made in run}) == 20_000


def test_increases_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still or is set back does not make values go back."""
    made = [uuid7()]
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000)
    made += [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))
