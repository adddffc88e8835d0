"""Idempotency: an unsafe request that is sent again is answered again, and carried out once.

- `Idempotency`: its `route_class` gives the routes of a router an `Idempotency-Key`; `protected` is for endpoints that
  return a `Response`.
- `SQLIdempotency` keeps answers in the transaction of the write; `fastapi_kit.idempotency.redis.RedisIdempotency` on
  Redis; `MemoryIdempotency` in the process.
- `IdempotencyStore`, `Begun`, `InProgress` and `Record` are what a store of one's own is made of.
"""

from fastapi_kit.idempotency._idempotency import Idempotency
from fastapi_kit.idempotency._memory import MemoryIdempotency
from fastapi_kit.idempotency._record import Record
from fastapi_kit.idempotency._sql import SQLIdempotency
from fastapi_kit.idempotency._store import Beginning, Begun, IdempotencyError, IdempotencyStore, InProgress

__all__ = [
    "Beginning",
    "Begun",
    "Idempotency",
    "IdempotencyError",
    "IdempotencyStore",
    "InProgress",
    "MemoryIdempotency",
    "Record",
    "SQLIdempotency",
]
