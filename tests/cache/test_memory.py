"""The store in the process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.cache import MemoryCache, StoredAnswer
from fastapi_kit.testing import FrozenClock

pytestmark = pytest.mark.anyio


def answer(size: int) -> StoredAnswer:
    """An answer of so many bytes."""
    return StoredAnswer(200, [], b"x" * size, 0, 60)


async def put(store: MemoryCache, key: str, size: int, *tags: str) -> None:
    """Store an answer."""
    claim = await store.claim(key, tags, 10)
    assert claim is not None
    await store.write(claim, answer(size))


async def test_the_least_recently_read_goes_first() -> None:
    """Reading an answer keeps it; one that fits in no case is not stored."""
    store = MemoryCache(3 * answer(100).size)
    for key in "abc":
        await put(store, key, 100)
    assert await store.read("a", []) is not None
    await put(store, "d", 100)
    assert [key for key in "abcd" if await store.read(key, [])] == ["a", "c", "d"]
    await put(store, "huge", 10_000)
    assert await store.read("huge", []) is None
    assert len(store) == 3


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3000), st.sets(st.sampled_from("xyz")))))
async def test_it_never_weighs_more_than_it_may(puts: list[tuple[str, int, set[str]]]) -> None:
    """Whatever is stored, replaced, forgotten or over: the weight is that of what is there, and below the bound."""
    clock = FrozenClock()
    store = MemoryCache(5_000, clock=clock)
    for number, (key, size, tags) in enumerate(puts):
        await put(store, key, size, *sorted(tags))
        assert store.size <= 5_000
        if number % 5 == 4:
            await store.invalidate(["x"])
    kept = [found for key in "abcdef" if (found := await store.read(key, []))]
    assert store.size == sum(found.size for found in kept)
    clock.advance(61)
    assert [await store.read(key, []) for key in "abcdef"] == [None] * 6
    assert (store.size, len(store)) == (0, 0)


def test_a_bound_of_nothing_is_refused() -> None:
    """It would store nothing at all."""
    with pytest.raises(ValueError, match="max_bytes"):
        MemoryCache(0)
