"""`RedisClient`: one pool of connections to Redis, and what bounds the waiting for it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.redis._breaker import Breaker
from fastapi_kit.redis._connections import Argument, Connections
from fastapi_kit.redis._problems import RedisUnavailableError
from fastapi_kit.redis._redis import (
    REFUSED,
    UNREACHABLE,
    NoScriptError,
    Redis,
    ResponseError,
    connect,
    connection_maker,
    meaning_of,
)
from fastapi_kit.redis._script import Script

logger = logging.getLogger("fastapi_kit.redis")


class RedisClient:
    """A Redis server and the pool of connections to it, for the lifetime of an app.

    Nothing is connected until the first use. Give `lifespan` to the app, so that requests find the client in their
    state and its connections are closed at shutdown:

        redis = RedisClient("redis://localhost")
        app = FastAPI(lifespan=compose(redis.lifespan))

    Commands given to `run` take at most `timeout` seconds, waiting for a connection included. After one that got no
    answer, nobody waits: `run` raises at once, and from `cooldown` seconds later on a probe in the background finds out
    whether the server is back. So a dead server costs each request its timeout once at most, and requests that come
    later nothing.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with credentials and database number.
        pool: Connections at most; more commands at a time wait for one of them.
        timeout: Seconds that a command may take.
        cooldown: Seconds between two looks at a server that does not answer.
        clock: What tells the breaker the time.

    Raises:
        ValueError: The URL is none of Redis, or a number is not above 0.
        ImportError: redis-py is not installed; the message names the extra.
    """

    def __init__(
        self,
        url: str,
        *,
        pool: int = 20,
        timeout: float = 0.5,
        cooldown: float = 1.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout={timeout!r}: a number of seconds above 0, such as 0.5")
        if not pool > 0:
            raise ValueError(f"pool={pool!r}: a number of connections above 0, such as 20")
        self.breaker = Breaker(cooldown)
        """Whether the server is worth asking; its `state` is there to be watched."""
        self.timeout = timeout
        self.cooldown = cooldown
        self._url, self._pool, self._clock = url, pool, clock
        self._client = connect(url, pool=pool, timeout=timeout)
        self._meanings = meaning_of(self._client)
        self._connections: Connections | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._probe: asyncio.Task[None] | None = None

    @property
    def client(self) -> Redis:
        """A client of redis-py, for subscriptions, pipelines and whatever takes one.

        It has as many connections of its own, as soon as it needs them. Its waits are bounded by `timeout` each, but
        not by the breaker.
        """
        return self._client

    async def run(self, command: str | Script, *arguments: Argument, keys: Sequence[str | bytes] = ()) -> Any:
        """Run a command or a script, and give back what redis-py makes of the answer (texts are `bytes`).

        Args:
            command: A command's name, such as `GET`, or a script.
            arguments: The command's arguments, or the script's `ARGV`.
            keys: The script's `KEYS`; a command's keys are arguments.

        Raises:
            RedisUnavailableError: The server did not answer in time, cannot serve now, or was not asked, as it did not
                answer a moment ago. What was sent may have taken effect.
            redis.exceptions.ResponseError: The command is wrong.
        """
        connections = self._settle()
        now = self._clock.monotonic()
        verdict = self.breaker.ask(now)
        if verdict == "pass":
            if isinstance(command, Script):
                return await self._attempt(_evaluate(connections, command, keys, arguments), now)
            answer = await self._attempt(connections.execute(*command.split(), *arguments), now)
            meaning = self._meanings.get(command)
            return answer if meaning is None else meaning(answer)
        if verdict == "probe":
            self._probe = asyncio.create_task(self._ask_again(connections, now), name="redis probe")
        raise RedisUnavailableError(self.cooldown)

    async def ping(self) -> None:
        """Make one round trip, also while the breaker is open; fit for `health.Check("redis", redis.ping)`.

        Raises:
            RedisUnavailableError: The server did not answer within `timeout`.
        """
        await self._attempt(self._settle().execute("PING"), self._clock.monotonic())

    async def aclose(self) -> None:
        """Close all connections; the next use opens new ones."""
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
        client, self._client = self._client, connect(self._url, pool=self._pool, timeout=self.timeout)
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.aclose()
        await client.aclose(close_connection_pool=True)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[Mapping[str, Any]]:  # noqa: ARG002 - what a lifespan is
        """The lifespan resource: puts this client into the requests' state as `redis`, and closes it at the end."""
        try:
            yield {"redis": self}
        finally:
            await self.aclose()

    def _settle(self) -> Connections:
        """Connections belong to a loop: in another one, as each request of a test client may have, make new ones."""
        loop = asyncio.get_running_loop()
        if self._connections is None or self._loop is not loop:
            if self._loop is not loop and self._loop is not None:
                self._client, self._probe = connect(self._url, pool=self._pool, timeout=self.timeout), None
            self._connections = Connections(connection_maker(self._url, timeout=self.timeout), self._pool)
            self._loop = loop
        return self._connections

    async def _attempt(self, command: Awaitable[Any], began: float) -> Any:
        try:
            async with asyncio.timeout(self.timeout):
                answer = await command
        except REFUSED as error:
            self._answered()
            raise RedisUnavailableError(self.cooldown) from error
        except UNREACHABLE as error:
            if self.breaker.fail(began, self._clock.monotonic()):
                logger.warning("Redis does not answer (%s); nobody waits for it until it does", type(error).__name__)
            raise RedisUnavailableError(self.cooldown) from error
        except Exception:
            self._answered()
            raise
        self._answered()
        return answer

    def _answered(self) -> None:
        if self.breaker.succeed(self._clock.monotonic()):
            logger.warning("Redis answers again")

    async def _ask_again(self, connections: Connections, began: float) -> None:
        try:
            with contextlib.suppress(RedisUnavailableError, ResponseError):
                await self._attempt(connections.execute("PING"), began)
        finally:
            self.breaker.fail_probe(self._clock.monotonic())


async def _evaluate(
    connections: Connections, script: Script, keys: Sequence[str | bytes], arguments: Sequence[Argument]
) -> Any:
    try:
        return await connections.execute("EVALSHA", script.sha, len(keys), *keys, *arguments)
    except NoScriptError:  # the first time on this server, or it has forgotten
        return await connections.execute("EVAL", script.source, len(keys), *keys, *arguments)
