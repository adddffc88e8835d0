"""A worker, one app in a process of its own, as it is seen from outside; `__main__` is its inside."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._driver import Drained
from benchmarks._measure import Sample

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one export has sent, and what it took.

    Args:
        status: Of the answer.
        size: Bytes of the body.
        checksum: Of the body.
        cpu: Microseconds of the process.
        wall: Microseconds.
        growth: MB by which memory has grown at its peak, if that can be told.
    """

    status: int
    size: int
    checksum: int
    cpu: float
    wall: float
    growth: float | None

    @property
    def sample(self) -> Sample:
        """What it took."""
        return Sample(self.cpu, self.wall)

    @property
    def sent(self) -> Drained:
        """What it has sent."""
        return Drained(self.status, self.size, self.checksum)


class Worker:
    """A running worker."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ready(self) -> None:
        """Wait until its app runs.

        Raises:
            RuntimeError: It does not start; why is on standard error.
        """
        await self._read()

    async def export(self, target: str) -> Outcome:
        """Have the worker ask its app for `target`.

        Raises:
            RuntimeError: It has failed; why is on standard error.
        """
        assert self._process.stdin
        self._process.stdin.write(f"{target}\n".encode())
        await self._process.stdin.drain()
        return Outcome(**json.loads(await self._read()))

    async def _read(self) -> str:
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with status {await self._process.wait()}")
        return line.decode().strip()

    async def end(self) -> None:
        """Let it end, which it does when nothing more is to be read."""
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()


@asynccontextmanager
async def worker(app: str, url: str) -> AsyncGenerator[Worker]:
    """A worker that serves one of the apps; `ready` says when."""
    command = (sys.executable, "-m", "benchmarks.exports", app, url)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    started = Worker(process)
    try:
        yield started
    finally:
        await started.end()
