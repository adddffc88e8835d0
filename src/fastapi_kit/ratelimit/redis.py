"""Limits on Redis: the same for all processes of a service.

Each key holds the levels of all rules of one limit for one client, so a request is one script with one key: one round
trip, on a cluster too. The time is the server's, so the clocks of the processes do not matter.
"""

from collections.abc import Sequence
from typing import cast

from fastapi_kit.ratelimit._meter import Decision
from fastapi_kit.ratelimit._rules import Rules
from fastapi_kit.ratelimit._stores import MemoryStore
from fastapi_kit.redis import RedisClient, Script

__all__ = ["RedisStore"]

# What `_meter.spend` does. ARGV: the cost, then drain, weight and capacity of each rule.
_SPEND = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local cost = tonumber(ARGV[1])
local words = {}
for word in string.gmatch(redis.call('GET', KEYS[1]) or '', '%d+') do
  words[#words + 1] = tonumber(word)
end
local at = words[1] or now
local elapsed = math.max(0, now - at)
local before, after, allowed, empty_in = {}, {}, 1, 0
for n = 1, (#ARGV - 1) / 3 do
  local drain, weight, capacity = tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n]), tonumber(ARGV[3 * n + 1])
  before[n] = math.max(0, (words[n + 1] or 0) - elapsed * drain)
  after[n] = before[n] + cost * weight
  if after[n] > capacity then allowed = 0 end
  empty_in = math.max(empty_in, math.ceil(after[n] / drain))
end
local levels = allowed == 1 and after or before
if allowed == 1 and cost > 0 then
  local text = { string.format('%.0f', math.max(at, now)) }
  for n = 1, #levels do text[n + 1] = string.format('%.0f', levels[n]) end
  redis.call('SET', KEYS[1], table.concat(text, ' '), 'PX', empty_in)
end
table.insert(levels, 1, allowed)
return levels
""")


class RedisStore:
    """Keeps levels in Redis, each until its bucket is empty.

    Args:
        redis: The app's client; its lifespan closes it.
        prefix: What the keys begin with.
        workers: Processes that serve the app. While Redis cannot be reached, a limit with `on_error="local"` lets its
            share pass in each of them, at least one request, so that together they do not exceed it.
    """

    def __init__(self, redis: RedisClient, *, prefix: str = "fastapi_kit:limit:", workers: int = 1) -> None:
        self._redis, self._prefix = redis, prefix
        self._local = MemoryStore(workers=workers)

    @property
    def local(self) -> MemoryStore:
        """What counts in this process during an outage."""
        return self._local

    async def spend(self, key: str, rules: Rules, cost: int) -> Decision:
        """Count a request by one round trip.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        shape = [number for rule in rules for number in (rule.drain, rule.weight, rule.capacity)]
        answer = await self._redis.run(_SPEND, cost, *shape, keys=[self._prefix + key])
        allowed, *levels = cast("Sequence[int]", answer)
        return Decision(allowed == 1, rules, levels, cost)
