"""One Redis client for all parts of an app: a pool that waits, one bound for all waiting, and a breaker.

- `RedisClient`: give its `lifespan` to the app and its `ping` to a health check. `run` makes a command or a `Script`
  take effect within `timeout` seconds or raises `RedisUnavailableError`, which is answered as a 503.
- `RedisDep`: the app's client in an endpoint; `redis_of` finds it for a connection.
- `Script`: Lua that is sent once and called by its hash from then on.
- `Breaker`: what keeps a dead server from costing every request its timeout; a state machine without a clock.
"""

from fastapi_kit.redis._breaker import Breaker, BreakerState
from fastapi_kit.redis._client import RedisClient
from fastapi_kit.redis._dependencies import NoRedisError, RedisDep, redis_of
from fastapi_kit.redis._problems import RedisUnavailableError
from fastapi_kit.redis._script import Script

__all__ = [
    "Breaker",
    "BreakerState",
    "NoRedisError",
    "RedisClient",
    "RedisDep",
    "RedisUnavailableError",
    "Script",
    "redis_of",
]
