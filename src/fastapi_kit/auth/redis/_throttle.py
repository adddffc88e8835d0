"""Counts of attempts in Redis, so that several workers together let no more of them through than one does."""

import contextlib

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.auth._rotation import digest
from fastapi_kit.auth._throttle import Backoff, MemoryThrottle
from fastapi_kit.redis import RedisClient, RedisUnavailableError, Script

# What `_throttle.attempted` does. All times are in milliseconds.
_ATTEMPT = Script("""
local now, free, first, longest, forget = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]),
  tonumber(ARGV[5])
local known = redis.call('GET', KEYS[1]) or ''
local count, next_at, forgotten_at = string.match(known, '^(%d+) (%d+) (%d+)$')
count, next_at, forgotten_at = tonumber(count or 0), tonumber(next_at or now), tonumber(forgotten_at or now)
if forgotten_at <= now then count, next_at = 0, now end
if next_at > now then return next_at - now end
count = count + 1
local wait = 0
if count >= free then wait = math.min(longest, first * 2 ^ math.min(count - free, 64)) end
local kept = math.max(wait, forget)
local noted = string.format('%d %.0f %.0f', count, now + wait, now + kept)
redis.call('SET', KEYS[1], noted, 'PX', string.format('%.0f', kept))
return 0
""")


class RedisThrottle:
    """Counts in Redis, by one round trip for an attempt.

    While Redis cannot be reached each process counts by itself, as `MemoryThrottle` does: logins go on, and several
    workers let through as many times more.

    Args:
        redis: The app's client; its lifespan closes it.
        prefix: What all keys begin with.
        clock: What tells the time; those of all processes should agree to a second.
    """

    def __init__(self, redis: RedisClient, *, prefix: str = "auth:attempts:", clock: Clock = SYSTEM_CLOCK) -> None:
        self._redis = redis
        self._prefix = prefix
        self._clock = clock
        self._local = MemoryThrottle(clock=clock)

    async def attempt(self, key: str, backoff: Backoff, /) -> float:
        """Count an attempt, if it may be made."""
        spans = (backoff.first, backoff.longest, backoff.forget)
        first, longest, forget = (round(seconds * 1_000) for seconds in spans)
        now = round(self._clock.now().timestamp() * 1_000)
        arguments = (now, backoff.free, first, longest, max(1, forget))
        try:
            return int(await self._redis.run(_ATTEMPT, *arguments, keys=[self._name(key)])) / 1_000
        except RedisUnavailableError:
            return await self._local.attempt(key, backoff)

    async def forgive(self, key: str, /) -> None:
        """Forget the attempts of a key."""
        await self._local.forgive(key)
        with contextlib.suppress(RedisUnavailableError):  # they are forgotten in time
            await self._redis.run("DEL", self._name(key))

    def _name(self, key: str) -> str:
        """Where a key is counted; what somebody has typed as a user name is in no list of keys."""
        return self._prefix + digest(key)
