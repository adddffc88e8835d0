"""The connections on which commands run: a pool that waits, and does nothing else for each command.

redis-py connects, writes and parses. Its pool and its client are passed by, as they take twice the time of all that for
each command: their bounds for each step, retries and metrics are of no use to a command that is bounded as a whole.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from fastapi_kit.redis._redis import ResponseError

Argument = str | bytes | int | float
"""What a command or a script takes."""


class Connection(Protocol):
    """What is used of redis-py's."""

    @property
    def is_connected(self) -> bool:
        """Whether it has a socket."""
        ...

    async def connect(self) -> None:
        """Open the socket, and say who one is."""
        ...

    async def can_read(self) -> bool:
        """Whether there is something that nobody has asked for, or the server has closed the connection."""
        ...

    async def send_packed_command(self, command: Iterable[bytes], check_health: bool) -> None:
        """Write a command."""
        ...

    async def read_response(self) -> Any:
        """Read an answer."""
        ...

    async def disconnect(self, nowait: bool = False) -> None:
        """Close the socket."""
        ...


class Connections:
    """Connections of one event loop; the one that was used last is used first.

    Args:
        make: Makes a connection that is not connected yet, and sets no time limits.
        size: Connections at most; more commands at a time wait for one of them.
    """

    def __init__(self, make: Callable[[], Connection], size: int) -> None:
        self._make = make
        self._slots = asyncio.Semaphore(size)
        self._all: list[Connection] = []
        self._free: list[Connection] = []

    async def execute(self, *command: Argument) -> Any:
        """Run a command, and give back the answer as it is.

        It may be given up at any time: a connection with an answer under way is closed, and connects anew later.

        Raises:
            redis.exceptions.ResponseError: What the server refuses.
            redis.exceptions.ConnectionError: The server cannot be reached.
        """
        packed = pack(command)
        async with self._slots:
            connection = self._free.pop() if self._free else self._new()
            try:
                if not connection.is_connected:
                    await connection.connect()
                elif await _is_left(connection):
                    await connection.disconnect(nowait=True)
                    await connection.connect()
                await connection.send_packed_command((packed,), check_health=False)
                return await connection.read_response()
            except ResponseError:
                raise
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            finally:
                self._free.append(connection)

    async def aclose(self) -> None:
        """Close all connections; what is under way on them fails."""
        for connection in self._all:
            await connection.disconnect()

    def _new(self) -> Connection:
        connection = self._make()
        self._all.append(connection)
        return connection


async def _is_left(connection: Connection) -> bool:
    """Whether the server has closed the connection."""
    try:
        return await connection.can_read()
    except OSError:
        return True


def pack(command: Iterable[Argument]) -> bytes:
    """A command as it is sent (RESP): an array of texts."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
