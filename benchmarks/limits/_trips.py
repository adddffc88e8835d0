"""Commands that an app sends to Redis, as the server sees them."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from fastapi_kit.redis import RedisClient


async def trips(redis: RedisClient, prefix: str, work: Callable[[], Awaitable[object]]) -> int:
    """Commands that come while `work` is done, by connections that ask for keys with this prefix.

    What a script does inside of the server is no trip.
    """
    end = f"end:{uuid4()}"
    by_connection: dict[str, int] = {}
    ours: set[str] = set()
    async with redis.client.monitor() as monitor:
        await work()
        await redis.run("ECHO", end)
        async for seen in monitor.listen():
            if end in seen["command"]:
                break
            if seen["client_type"] == "lua":
                continue
            connection = f"{seen['client_address']}:{seen['client_port']}"
            by_connection[connection] = by_connection.get(connection, 0) + 1
            if prefix in seen["command"]:
                ours.add(connection)
    return sum(by_connection[connection] for connection in ours)
