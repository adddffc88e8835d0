"""Limits on how often a client may ask: in this process, or on Redis for all processes together.

- `RateLimit`: a limit, as a dependency of a route or router, or as a policy.
- `install`: policies for the routes of an app, the store for all its limits, 429 in its OpenAPI document.
  `UnmatchedLimitError` stops the start if a policy is for no route; `RateLimitMiddleware` is the layer.
- `client_address`, `principal_or_address`, `header`: who is counted.
- `MemoryStore`, and `fastapi_kit.ratelimit.redis.RedisStore`: where; `LimitStore` is what they are. A `Decision` is
  what they give.
- `TooManyRequestsError`: the 429.
- `Rule`, `parse_rules`: what `5/minute` means.
- `fastapi_kit.ratelimit.slowapi`: existing code for slowapi on the same stores.
"""

from fastapi_kit.ratelimit._install import install
from fastapi_kit.ratelimit._keys import Key, client_address, header, principal_or_address
from fastapi_kit.ratelimit._limit import OnError, RateLimit
from fastapi_kit.ratelimit._meter import Decision
from fastapi_kit.ratelimit._middleware import RateLimitMiddleware
from fastapi_kit.ratelimit._policies import UnmatchedLimitError
from fastapi_kit.ratelimit._problem import TooManyRequestsError
from fastapi_kit.ratelimit._rules import Rule, Rules, parse_rules
from fastapi_kit.ratelimit._stores import LimitStore, MemoryStore

__all__ = [
    "Decision",
    "Key",
    "LimitStore",
    "MemoryStore",
    "OnError",
    "RateLimit",
    "RateLimitMiddleware",
    "Rule",
    "Rules",
    "TooManyRequestsError",
    "UnmatchedLimitError",
    "client_address",
    "header",
    "install",
    "parse_rules",
    "principal_or_address",
]
