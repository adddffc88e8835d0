"""The store on Redis, which all processes share; needs the extra `redis`.

Theory of operation. An answer is one value, with the versions that its tags had when it was claimed. Versions are
random and made on first use. Forgetting a tag deletes its version, so whatever was stored under it, or is being made,
does not match any more; so does a version that Redis has evicted. A hit is one command, a claim and a write are one
script each. All keys are in one slot of a cluster, as an answer and its tags have to be.
"""

import os
from collections.abc import Sequence
from typing import Any

from fastapi_kit.cache._answer import StoredAnswer
from fastapi_kit.cache._store import CacheUnavailableError, Claim
from fastapi_kit.redis import RedisClient, RedisUnavailableError, Script

__all__ = ["RedisCache"]

_VERSION_BYTES = 8
_MARGIN = 60_000
"""Milliseconds that a version outlives what it is about."""

_CLAIM = Script("""
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
local versions = {}
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i + 2], 'NX', 'PX', ARGV[3])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
  versions[i - 1] = redis.call('GET', KEYS[i])
end
return versions
""")

_WRITE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
for i = 3, #KEYS do
  if redis.call('GET', KEYS[i]) ~= ARGV[i + 2] then return 0 end
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
""")

_RELEASE = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


class RedisCache:
    """Keeps answers on Redis, up to what its `maxmemory` and eviction policy allow.

    Args:
        redis: The app's client, whose time-out and breaker bound what a dead server costs.
        prefix: Of all keys; apps that share a server and a prefix share answers.

    Raises:
        ValueError: The prefix has braces, which say where in a cluster a key is.
    """

    def __init__(self, redis: RedisClient, *, prefix: str = "fastapi-kit:cache") -> None:
        if "{" in prefix or "}" in prefix:
            raise ValueError(f"prefix={prefix!r}: braces are put around it, and cannot be in it")
        self._redis = redis
        self._answer = f"{{{prefix}}}:a:"
        self._claim = f"{{{prefix}}}:c:"
        self._tag = f"{{{prefix}}}:t:"

    async def read(self, key: str, tags: Sequence[str]) -> StoredAnswer | None:
        """The answer, if there is one and all of its tags have their versions still."""
        if not tags:
            untagged: bytes | None = await self._run("GET", self._answer + key)
            return None if untagged is None else StoredAnswer.from_bytes(untagged)
        found: list[bytes | None] = await self._run("MGET", self._answer + key, *[self._tag + tag for tag in tags])
        data, *versions = found
        if data is None or None in versions:
            return None
        stamp = b"".join([version for version in versions if version is not None])
        return StoredAnswer.from_bytes(data, len(stamp)) if data.startswith(stamp) else None

    async def claim(self, key: str, tags: Sequence[str], seconds: float) -> Claim | None:
        """The right to make the answer, and versions for those of its tags that have none."""
        token = os.urandom(_VERSION_BYTES).hex()
        lease = max(1, int(seconds * 1000))
        new = [os.urandom(_VERSION_BYTES) for _ in tags]
        keys = [self._claim + key, *(self._tag + tag for tag in tags)]
        versions: list[bytes] | None = await self._run(_CLAIM, token, lease, lease + _MARGIN, *new, keys=keys)
        return None if versions is None else Claim(key, tags, token, versions)

    async def write(self, claim: Claim, answer: StoredAnswer) -> None:
        """Store the answer, if the claim is held still and its tags are what they were."""
        data = b"".join(claim.versions) + answer.to_bytes()
        life = max(1, int(answer.lifetime * 1000))
        keys = [self._claim + claim.key, self._answer + claim.key, *(self._tag + tag for tag in claim.tags)]
        await self._run(_WRITE, claim.token, data, life, life + _MARGIN, *claim.versions, keys=keys)

    async def release(self, claim: Claim) -> None:
        """End the claim, if it is held still."""
        await self._run(_RELEASE, claim.token, keys=[self._claim + claim.key])

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Take the versions of these tags away."""
        if tags:
            await self._run("DEL", *(self._tag + tag for tag in tags))

    async def _run(self, command: str | Script, *arguments: Any, keys: Sequence[str] = ()) -> Any:
        try:
            return await self._redis.run(command, *arguments, keys=keys)
        except RedisUnavailableError as error:
            raise CacheUnavailableError("Redis cannot be reached") from error
