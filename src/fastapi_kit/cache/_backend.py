"""Backends of fastapi-cache2 that keep values in a `Cache`.

Theory of operation. fastapi-cache2 asks a backend for a value, makes it if there is none, and sets it. So the first who
asks is let go, and the others wait until it has set the value, or its task has ended without.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from fastapi_cache.types import Backend

from fastapi_kit.cache._answer import StoredAnswer
from fastapi_kit.cache._cache import Cache
from fastapi_kit.cache._store import CacheUnavailableError, Claim

_DAY = 86_400
_TAG_PARTS = 2


class KitBackend(Backend):
    """A backend of fastapi-cache2 on a `Cache`: bounded, with single flight, and quick to fail.

    Args:
        cache: The app's.
    """

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self._claims: dict[str, tuple[Claim, asyncio.Task[Any] | None]] = {}

    async def get_with_ttl(self, key: str) -> tuple[int, bytes | None]:
        """The value and its seconds to live; of many who ask for one that is not there, one is let go to set it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.cache.lease
        try:
            while loop.time() < until:
                found = await self._read(key)
                if found is not None or await self._may_go(key, until):
                    return found or (0, None)
        except CacheUnavailableError:
            pass
        return 0, None

    async def get(self, key: str) -> bytes | None:
        """The value, without waiting for anybody."""
        try:
            found = await self._read(key)
        except CacheUnavailableError:
            return None
        return found and found[1]

    async def set(self, key: str, value: bytes, expire: int | None = None) -> None:
        """Store a value, and let those who wait have it."""
        try:
            claim = self._claims.pop(key, (None, None))[0] or await self._claim(key)
            if claim is not None:
                ttl = float(expire or _DAY)
                await self.cache.store.write(claim, StoredAnswer(200, (), value, self.cache.now(), ttl))
        except CacheUnavailableError:
            pass
        finally:
            self.cache.flights.land(key, "stored")

    async def clear(self, namespace: str | None = None, key: str | None = None) -> int:
        """Forget a namespace, or a key.

        Returns:
            0: how many values that were is not known.

        Raises:
            CacheUnavailableError: The store cannot be reached.
        """
        if key is not None:
            await self.cache.invalidate(f"key {key}")
        elif namespace:
            await self.cache.invalidate(namespace)
        return 0

    async def _read(self, key: str) -> tuple[int, bytes] | None:
        answer = await self.cache.store.read(_digest(key), _tags_in(key))
        if answer is None:
            return None
        left = answer.made_at + answer.ttl - self.cache.now()
        return (int(left), answer.body) if left > 0 else None

    async def _claim(self, key: str) -> Claim | None:
        return await self.cache.store.claim(_digest(key), _tags_in(key), self.cache.lease)

    async def _may_go(self, key: str, until: float) -> bool:
        """Whether the caller is to make the value; else it has waited for somebody, and looks again."""
        left = until - asyncio.get_running_loop().time()
        task = asyncio.current_task()
        if not self.cache.flights.board(key) and self._claims.get(key, (None, None))[1] is not task:
            return await self.cache.flights.wait(key, left) == "unstorable"
        claim: Claim | None = None
        try:
            claim = await self._claim(key)
            if claim is None and key not in self._claims:
                await asyncio.sleep(0.05)  # another process makes it
        finally:
            if claim is None and key not in self._claims:
                self.cache.flights.land(key, "lost")
        if claim is not None:
            self._claims[key] = claim, task
            if task is not None:
                task.add_done_callback(lambda _: self._ended(key, claim))
        return key in self._claims

    def _ended(self, key: str, claim: Claim) -> None:
        """The task that was to set the value is over: whoever waits may go, if it has not."""
        if self._claims.get(key, (None, None))[0] is claim:
            del self._claims[key]
            self.cache.flights.land(key, "unstorable")
            self.cache.refresh(f"release of {key}", self._release(claim))

    async def _release(self, claim: Claim) -> None:
        with suppress(CacheUnavailableError):  # it ends by itself then
            await self.cache.store.release(claim)


class InMemoryBackend(KitBackend):
    """fastapi-cache2's name for values in this process."""

    def __init__(self) -> None:
        super().__init__(Cache())


class RedisBackend(KitBackend):
    """fastapi-cache2's name for values on Redis: on the server of a client of redis-py, by a `RedisClient`.

    Args:
        redis: Says where the server is; it makes no connection, and its time-outs and retries do not count.

    Raises:
        ValueError: It is not reached by plain TCP; the message names the cure.
    """

    def __init__(self, redis: Any) -> None:
        from fastapi_kit.cache.redis import RedisCache  # noqa: PLC0415 - of an extra that the other backends do not need
        from fastapi_kit.redis import RedisClient  # noqa: PLC0415

        self.redis = RedisClient(_url_of(redis.connection_pool))
        super().__init__(Cache(RedisCache(self.redis)))

    async def aclose(self) -> None:
        """Close all connections; the next use opens new ones."""
        await self.redis.aclose()


def _url_of(pool: Any) -> str:
    given = pool.connection_kwargs
    if pool.connection_class.__name__ != "Connection":
        raise ValueError("RedisBackend is for plain TCP: use KitBackend(Cache(RedisCache(RedisClient(url))))")
    user, password = (quote(given.get(name) or "", safe="") for name in ("username", "password"))
    login = f"{user}:{password}@" if user or password else ""
    return f"redis://{login}{given.get('host') or 'localhost'}:{given.get('port') or 6379}/{given.get('db') or 0}"


def _digest(key: str) -> str:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _tags_in(key: str) -> Sequence[str]:
    """The key itself, and the namespaces that it begins with: keys are `prefix:namespace:rest`."""
    parts = key.split(":", _TAG_PARTS)
    return [f"key {key}", *(":".join(parts[:end]) for end in range(1, len(parts)))]
