"""The store on Redis, which all processes share; needs the extra `redis`.

Theory of operation. A key is one value: while a request is carried out, that of its attempt, which expires unless it is
renewed; then the record. Each step is one command or script on that key, so it is right on a cluster, too. A process
that crashes renews no more, and the key is free when its lease is over.
"""

import os
from typing import Any

from fastapi_kit.idempotency._record import Record
from fastapi_kit.idempotency._store import Beginning, Begun, InProgress
from fastapi_kit.redis import RedisClient, Script

__all__ = ["RedisIdempotency"]

_FINGERPRINT = 32
_HELD = b"h"
_DONE = b"d"

_BEGIN = Script("""
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
""")

_RENEW = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")

_COMPLETE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
""")

_ABANDON = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


class RedisIdempotency:
    """Keeps records on Redis. Its eviction policy has to spare them: one that is evicted is a request forgotten.

    Args:
        redis: The app's client. While it cannot be reached, requests with a key are answered with a 503.
        prefix: Of all keys.
    """

    def __init__(self, redis: RedisClient, *, prefix: str = "fastapi-kit:idempotency") -> None:
        self._redis = redis
        self._prefix = f"{prefix}:"

    async def begin(self, key: str, fingerprint: str, lease: float) -> Beginning:
        """Take the key, in one command."""
        begun = Begun(key, fingerprint, os.urandom(8).hex())
        value: bytes | None = await self._run(_BEGIN, begun, _milliseconds(lease))
        if value is None:
            return begun
        if not value.startswith(_DONE):
            return InProgress()
        return Record.of(value[1 : 1 + _FINGERPRINT].decode(), value[1 + _FINGERPRINT :])

    async def renew(self, begun: Begun, lease: float) -> bool:
        """Hold the key."""
        return bool(await self._run(_RENEW, begun, _milliseconds(lease)))

    async def complete(self, begun: Begun, record: Record, keep: float) -> None:
        """Put the record in place of the attempt."""
        done = b"".join((_DONE, record.fingerprint.encode(), record.answer()))
        await self._run(_COMPLETE, begun, done, _milliseconds(keep))

    async def abandon(self, begun: Begun) -> None:
        """Give the key back."""
        await self._run(_ABANDON, begun)

    async def _run(self, script: Script, begun: Begun, *arguments: Any) -> Any:
        return await self._redis.run(script, _held(begun), *arguments, keys=[self._prefix + begun.key])


def _held(begun: Begun) -> bytes:
    return _HELD + begun.token.encode()


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
