"""Locks that hold across processes, for as long as their holder lives, and no longer.

- `MemoryLocks`, and `fastapi_kit.locks.redis.RedisLocks`: where locks are; `LockStore` is what they are.
- `lock`: `async with lock(store, "report") as held:` waits for a lock, renews its lease, and cancels the block if the
  lease is lost. `Held` has the fencing token.
- `LockTimeoutError`: it was held by others for too long. `LockLostError`: it was lost in the block.
"""

from fastapi_kit.locks._lock import Held, lock
from fastapi_kit.locks._memory import MemoryLocks
from fastapi_kit.locks._problems import LockLostError, LockTimeoutError
from fastapi_kit.locks._store import LockStore

__all__ = ["Held", "LockLostError", "LockStore", "LockTimeoutError", "MemoryLocks", "lock"]
