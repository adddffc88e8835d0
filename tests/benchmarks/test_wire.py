"""The benchmark over the wire: a client that reads just enough of an answer, and two servers that answer the same."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks._databases import Place
from benchmarks._driver import Call
from benchmarks.wire import Suite
from benchmarks.wire._client import Load, as_bytes, connected
from benchmarks.wire._suite import OPERATIONS, Effort
from examples.atlas.data import CITIES_15000, Dataset, World

pytestmark = pytest.mark.anyio

REQUEST = as_bytes(Call("GET", "/it"))


@asynccontextmanager
async def answering(*pieces: bytes) -> AsyncGenerator[int]:
    """A server that answers each request with these pieces, one after another; without any, it closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n") == REQUEST and pieces:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_answers_are_read_whole_and_every_request_is_made_once() -> None:
    """However an answer is cut, its body is what the length says, and the connection is used again."""
    pieces = (b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 4\r\n\r", b"\nbo", b"dy")
    async with answering(*pieces) as port, connected(port, 3) as client:
        assert await client.get(REQUEST) == b"body"
        load = await client.load([REQUEST] * 10)
    assert len(load.latencies) == 10
    assert list(load.latencies) == sorted(load.latencies)
    assert 0 < load.latencies[-1] <= load.seconds


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        pytest.param([b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"], "404", id="an error"),
        pytest.param([b"HTTP/1.1 200 OK\r\n\r\n"], "the answer is", id="no length"),
        pytest.param([], "closed", id="no answer"),
    ],
)
async def test_what_is_no_answer_ends_the_measurement(pieces: list[bytes], message: str) -> None:
    """It is neither counted nor waited for, and neither is anything after it."""
    async with answering(*pieces) as port, connected(port, 2) as client:
        with pytest.raises(ConnectionError, match=message):
            await client.load([REQUEST] * 5)


async def test_a_lost_connection_takes_no_more_work() -> None:
    """Work on it would wait for ever."""
    async with answering() as port, connected(port, 1) as client:
        for _ in range(2):
            with pytest.raises(ConnectionError, match="closed"):
                await asyncio.wait_for(client.load([REQUEST]), 5)


def test_a_load_tells_pace_and_percentiles_in_microseconds() -> None:
    """The pace is of all connections together."""
    load = Load(0.5, [0.001 * number for number in range(1, 101)])
    assert load.pace == 5_000
    assert load.percentile(0.50) == pytest.approx(51_000)
    assert load.percentile(0.99) == pytest.approx(100_000)


def one_country() -> World:
    """France, with all its cities."""
    world = CITIES_15000.read()
    return replace(world, cities=[city for city in world.cities if city["country_code"] == "FR"])


@pytest.mark.slow
async def test_both_contestants_are_served_and_compared(tmp_path: Path) -> None:
    """Each operation gives throughput and latencies, and its tail beside its own median."""
    place = Place("sqlite", f"sqlite+aiosqlite:///{tmp_path / 'bench.db'}")
    suite = Suite(Effort(rounds=2, requests=16), Dataset("one country", one_country))
    rows = await suite.measure(place, lambda _: None)
    assert [(row.name, row.peer, row.goal and round(row.goal, 3)) for row in rows] == [
        (f"crud.sqlite.wire.{operation.name}.{figure}", peer, goal)
        for operation in OPERATIONS
        for figure, peer, goal in (
            ("throughput", "handwritten", 0.333),
            ("p50", "handwritten", None),
            ("p99", "handwritten", None),
            ("p99", "its own p50", 4.0),
        )
    ]
    assert all(row.ours_us > 0 and row.peer_us > 0 and row.ratio > 0 for row in rows)
