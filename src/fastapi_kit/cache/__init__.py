"""Response caching: rendered bytes, each given only to whom it may be shown, and forgotten when what it tells changes.

- `cached`: the decorator of an endpoint; `CachePolicy` is what it says.
- `Cache`: the cache of an app, with `invalidate` and `forget`; `CacheMiddleware` is its layer.
- `MemoryCache` keeps answers in the process; `fastapi_kit.cache.redis.RedisCache` on Redis, for all processes.
  `CacheStore`, `Claim` and `StoredAnswer` are what a store of one's own is made of.
- `fastapi_kit.cache.fastapi_cache`: the same for code that is written for fastapi-cache2.
"""

from fastapi_kit.cache._answer import StoredAnswer
from fastapi_kit.cache._cache import Cache
from fastapi_kit.cache._decorator import NoCacheError, cached
from fastapi_kit.cache._memory import MemoryCache
from fastapi_kit.cache._middleware import CacheMiddleware
from fastapi_kit.cache._policy import CachePolicy
from fastapi_kit.cache._store import CacheStore, CacheUnavailableError, Claim

__all__ = [
    "Cache",
    "CacheMiddleware",
    "CachePolicy",
    "CacheStore",
    "CacheUnavailableError",
    "Claim",
    "MemoryCache",
    "NoCacheError",
    "StoredAnswer",
    "cached",
]
