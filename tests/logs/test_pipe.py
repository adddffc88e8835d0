"""Writing to a pipe without waiting for who reads it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_kit.logs._pipe import MOST_KEPT, Pipe, pipe_of

Ends = tuple[int, int]


def counted(count: int) -> bytes:
    """A notice that tests can tell."""
    return b"dropped %d\n" % count


@pytest.fixture(params=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """Where to read and where to write."""
    if request.param == "pipe":
        reading, writing = os.pipe()
    else:
        reading, writing = (end.detach() for end in socket.socketpair())
    yield reading, writing
    for descriptor in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def opened(writing: int, most_kept: int = MOST_KEPT) -> Pipe:
    """A pipe that leads to this end."""
    pipe = pipe_of(writing, counted, most_kept)
    assert pipe is not None
    return pipe


def read_until(reading: int, end: bytes) -> bytes:
    """All that comes until it ends so."""
    text = b""
    while not text.endswith(end):
        text += os.read(reading, 65_536)
    return text


def fill(pipe: Pipe, lines: int, start: int = 0) -> list[bytes]:
    """Write numbered lines of a kilobyte, none of which may wait."""
    written = [b"%07d" % number + b"x" * 1_000 + b"\n" for number in range(start, start + lines)]
    for line in written:
        before = time.monotonic()
        pipe.write(line)
        assert time.monotonic() - before < 1
    return written


def test_nothing_is_lost_when_the_reader_comes_back(ends: Ends) -> None:
    """Lines that a full pipe did not take are written as soon as it does, in order, and so are those that follow."""
    reading, writing = ends
    pipe = opened(writing)
    written = fill(pipe, 2_000)
    pipe.write(b"end\n")
    assert read_until(reading, b"end\n") == b"".join(written) + b"end\n"
    assert pipe.flush(5)
    pipe.write(b"after\n")
    assert read_until(reading, b"after\n") == b"after\n"


def test_lines_beyond_the_bound_are_counted(ends: Ends) -> None:
    """What is kept is bounded; how many lines that cost is said where they would have been."""
    reading, writing = ends
    pipe = opened(writing, most_kept=10_000)
    written = fill(pipe, 1_000)
    text = b""
    while b"dropped" not in text or not text.endswith(b"\n"):
        text += os.read(reading, 65_536)
    *kept, notice = text.splitlines(keepends=True)
    assert kept == written[: len(kept)]
    assert notice == counted(1_000 - len(kept))
    pipe.write(b"after\n")
    assert read_until(reading, b"after\n") == b"after\n"


def test_one_writes_to_a_pipe_that_others_wait_for(ends: Ends) -> None:
    """Whether writes wait is not changed for the other processes that have it open."""
    _, writing = ends
    opened(writing)
    assert os.get_blocking(writing)


def test_line_longer_than_the_pipe_comes_in_one_piece(ends: Ends) -> None:
    """A line that was begun is ended before the next."""
    reading, writing = ends
    pipe = opened(writing, most_kept=10)
    long = b"x" * 1_000_000 + b"\n"
    pipe.write(long)
    assert read_until(reading, b"\n") == long


def test_reader_that_has_gone_is_an_error_of_writing(ends: Ends) -> None:
    """Nobody waits for one that will not come."""
    reading, writing = ends
    pipe = opened(writing)
    fill(pipe, 500)
    os.close(reading)
    assert pipe.flush(5)
    with pytest.raises(OSError, match=r"."):
        pipe.write(b"lost\n")


def test_files_are_no_pipes() -> None:
    """A file is written as ever."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    assert pipe_of(descriptor, counted) is None
    os.close(descriptor)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_forked_process_writes_lines_of_its_own() -> None:
    """What waits at the time of the fork is written by the parent alone, and the child can write."""
    reading, writing = os.pipe()
    pipe = opened(writing)
    written = fill(pipe, 200)
    child = os.fork()
    if child == 0:
        pipe.write(b"child\n")
        pipe.flush(5)
        os._exit(0)
    collected: list[bytes] = []
    reader = threading.Thread(target=lambda: collected.append(_read_all(reading)))
    reader.start()
    os.waitpid(child, 0)
    assert pipe.flush(5)
    pipe.close()
    os.close(writing)
    reader.join(5)
    lines = collected[0].splitlines(keepends=True)
    assert sorted(lines) == sorted([*written, b"child\n"])


def _read_all(reading: int) -> bytes:
    text = b""
    while chunk := os.read(reading, 65_536):
        text += chunk
    return text


@settings(deadline=None, max_examples=30)
@given(
    steps=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40_000)), max_size=12),
    most_kept=st.integers(0, 50_000),
)
def test_what_arrives_and_what_is_said_to_be_lost_is_all(steps: list[tuple[int, int]], most_kept: int) -> None:
    """Law: however writing and reading alternate, lines come whole and in order, and the notices count the others."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    pipe = opened(writing, most_kept)
    sent, text = 0, b""
    for lines, bytes_read in steps:
        fill(pipe, lines, sent)
        sent += lines
        text += _available(lambda size: os.read(reading, size), bytes_read)
    while not pipe.flush(0.001):
        text += _available(lambda size: os.read(reading, size), 65_536)
    pipe.close()
    os.close(writing)
    text += _available(lambda size: os.read(reading, size), 10**9)
    os.close(reading)
    number = 0
    for line in text.splitlines():
        if line.startswith(b"dropped "):
            number += int(line.removeprefix(b"dropped "))
        else:
            assert line == b"%07d" % number + b"x" * 1_000
            number += 1
    assert number == sent


def _available(read: Callable[[int], bytes], most: int) -> bytes:
    text = b""
    while len(text) < most:
        try:
            chunk = read(most - len(text))
        except BlockingIOError:
            break
        if not chunk:
            break
        text += chunk
    return text


STALLED = """
import asyncio, json, sys, time
import structlog
from fastapi_kit.logs import configure

configure("INFO", "json")
log = structlog.get_logger()


async def main():
    worst = 0.0
    for number in range(3_000):
        before = time.perf_counter()
        log.info("line", number=number, padding="x" * 300)
        await asyncio.sleep(0)
        worst = max(worst, time.perf_counter() - before)
    print(json.dumps({"worst": worst}), file=sys.stderr, flush=True)
    await asyncio.to_thread(sys.stdin.readline)


asyncio.run(main())
"""


@pytest.mark.slow
def test_loop_goes_on_while_nobody_reads_the_log() -> None:
    """A process whose standard output is not read keeps its loop, and every line comes when it is read again."""
    process = subprocess.Popen(
        [sys.executable, "-c", STALLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stderr is not None
    patience = threading.Timer(20, process.kill)
    patience.start()
    said = json.loads(process.stderr.readline() or "null")  # with a megabyte unread
    patience.cancel()
    assert said, "the process waits for its reader"
    output, errors = process.communicate("go on\n", timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert said["worst"] < 0.5
    assert [json.loads(line)["number"] for line in output.splitlines()] == list(range(3_000))
