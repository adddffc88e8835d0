"""Leases on Redis, for all processes of a service together.

A lease is a key with the token that expires by itself. Tokens are counted in the same key: it keeps the last one for a
while when nobody holds the lease. So each step is one script with one key, and works on a cluster.

One server decides. If it fails over to a replica that has not got the last write, two may hold one lease: for what must
not happen then, the protected resource has to compare tokens.
"""

from fastapi_kit.redis import RedisClient, Script

__all__ = ["RedisLocks"]

# The value is "token" while it is free, and "token:until" while it is held, in milliseconds of the server's clock.
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local value = redis.call('GET', KEYS[1]) or '0'
local token, held_until = string.match(value, '^(%d+):?(%d*)$')
token, held_until = tonumber(token), tonumber(held_until) or 0
local function write(number, ms)
  redis.call('SET', KEYS[1], string.format('%.0f:%.0f', number, now + ms), 'PX', ms + ARGV[1])
end
"""
_ACQUIRE = Script(
    _NOW
    + """
if held_until > now then return false end
token = math.max(token, now * 1000) + 1
write(token, tonumber(ARGV[2]))
return token
"""
)
_RENEW = Script(
    _NOW
    + """
if token ~= tonumber(ARGV[3]) or held_until <= now then return 0 end
write(token, tonumber(ARGV[2]))
return 1
"""
)
_RELEASE = Script(
    _NOW
    + """
if token ~= tonumber(ARGV[2]) or held_until <= now then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', token), 'PX', ARGV[1])
return 1
"""
)
_REMEMBERED = 60_000
"""Milliseconds for which the last token is kept. No token is below the clock, so a forgotten one is passed."""


class RedisLocks:
    """Keeps leases in Redis; a lease that is not renewed ends by the server's clock.

    Args:
        redis: The app's client; its lifespan closes it.
        prefix: What the keys begin with.
    """

    def __init__(self, redis: RedisClient, *, prefix: str = "fastapi_kit:lock:") -> None:
        self._redis, self._prefix = redis, prefix

    async def acquire(self, name: str, ttl: float) -> int | None:
        """Take the lease; its token, or `None` if another one is in force.

        Raises:
            RedisUnavailableError: Redis does not answer; the lease may have been taken.
        """
        token: int | None = await self._redis.run(_ACQUIRE, _REMEMBERED, _milliseconds(ttl), keys=[self._prefix + name])
        return token

    async def renew(self, name: str, token: int, ttl: float) -> bool:
        """Let the lease last from now; `False` if it is no longer in force.

        Raises:
            RedisUnavailableError: Redis does not answer; it may have been renewed.
        """
        arguments = (_REMEMBERED, _milliseconds(ttl), token)
        return bool(await self._redis.run(_RENEW, *arguments, keys=[self._prefix + name]))

    async def release(self, name: str, token: int) -> bool:
        """End the lease; `False` if it was no longer in force.

        Raises:
            RedisUnavailableError: Redis does not answer; it may have ended, and will by itself.
        """
        return bool(await self._redis.run(_RELEASE, _REMEMBERED, token, keys=[self._prefix + name]))


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1_000))
