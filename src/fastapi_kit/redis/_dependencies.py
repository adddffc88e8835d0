"""The app's client, as endpoints get it."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from fastapi_kit.redis._client import RedisClient


class NoRedisError(RuntimeError):
    """The app has no Redis client in its lifespan."""


def redis_of(connection: HTTPConnection) -> RedisClient:
    """The client that the app's lifespan holds.

    Raises:
        NoRedisError: It holds none; the message names the cure.
    """
    found = getattr(connection.state, "redis", None)
    if isinstance(found, RedisClient):
        return found
    raise NoRedisError(
        "No Redis client in the lifespan state: start the app with FastAPI(lifespan=compose(redis.lifespan)), "
        'and in tests run its lifespan ("with TestClient(app)").'
    )


async def _redis(connection: HTTPConnection) -> RedisClient:
    return redis_of(connection)


RedisDep = Annotated[RedisClient, Depends(_redis)]
"""The app's `RedisClient`: `async def endpoint(redis: RedisDep)`."""
