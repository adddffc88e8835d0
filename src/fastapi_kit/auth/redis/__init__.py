"""Sessions and counts of attempts in Redis, for all processes of a service together.

- `RedisTokenStore`: the check of each request is one round trip to Redis, and none to the database.
- `RedisThrottle`: attempts count wherever they are made.

API keys stay in the database: who loses them has to give new ones to every program.
"""

from fastapi_kit.auth.redis._throttle import RedisThrottle
from fastapi_kit.auth.redis._tokens import RedisTokenStore

__all__ = ["RedisThrottle", "RedisTokenStore"]
