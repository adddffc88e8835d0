"""A client that costs as little as it can: prepared bytes out, and of what comes in only status and length are read.

It shares the machine with the servers, so what it costs is taken from both of them alike, and makes the faster one look
slower than it is.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from benchmarks._driver import Call

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Load:
    """What some requests took.

    Args:
        seconds: From the first request to the last answer.
        latencies: Of each request, in seconds, in ascending order.
    """

    seconds: float
    latencies: Sequence[float]

    @property
    def pace(self) -> float:
        """Microseconds from one answer to the next."""
        return self.seconds / len(self.latencies) * 1e6

    def percentile(self, share: float) -> float:
        """The latency that this share of the requests did not exceed, in microseconds."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)] * 1e6


def as_bytes(call: Call) -> bytes:
    """A request without a body, as it goes over the wire."""
    return f"{call.method} {call.target} HTTP/1.1\r\nhost: bench.test\r\naccept: */*\r\n\r\n".encode()


class _Connection(asyncio.Protocol):
    """A kept-alive connection: sends a request, waits for the whole answer, sends the next one."""

    def __init__(self) -> None:
        self.body = b""
        self._received = b""
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none of asyncio's classes
        self._done = asyncio.get_running_loop().create_future()
        self._done.set_result(None)

    async def work(self, requests: Iterator[bytes], latencies: list[float]) -> None:
        """Make requests until there are no more."""
        if self._lost:
            raise ConnectionError("the server has closed the connection")
        self._requests, self._latencies = requests, latencies
        self._done = asyncio.get_running_loop().create_future()
        self._next()
        await self._done

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._done.set_result(None)
            return
        self._begun = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        length = _LENGTH.search(self._received, 0, end)
        if length is None or not self._received.startswith(b"HTTP/1.1 200 "):
            self._fail(f"the answer is {self._received!r}")
        elif len(self._received) >= end + int(length[1]):
            self._latencies.append(time.perf_counter() - self._begun)
            self.body, self._received = self._received[end:], b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._fail(f"the server has closed the connection: {exc}")

    def _fail(self, reason: str) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionError(reason))


class Client:
    """As many connections to one server; made by `connected`."""

    def __init__(self, connections: Sequence[_Connection]) -> None:
        self._connections = connections

    async def get(self, request: bytes) -> bytes:
        """The body of one answer."""
        await self._connections[0].work(iter([request]), [])
        return self._connections[0].body

    async def load(self, requests: Sequence[bytes]) -> Load:
        """Make all of the requests, each connection the next one as soon as it is free.

        Raises:
            ConnectionError: An answer is no 200 or has no length, or the server has gone.
        """
        latencies: list[float] = []
        waiting = iter(requests)
        begun = time.perf_counter()
        await asyncio.gather(*(it.work(waiting, latencies) for it in self._connections))
        return Load(time.perf_counter() - begun, sorted(latencies))


@asynccontextmanager
async def connected(port: int, connections: int) -> AsyncGenerator[Client]:
    """A client with so many connections to the loopback."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(_Connection, "127.0.0.1", port) for _ in range(connections)]
    try:
        yield Client([protocol for _, protocol in made])
    finally:
        for transport, _ in made:
            transport.close()
