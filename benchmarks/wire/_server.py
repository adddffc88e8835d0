"""A contestant under one uvicorn worker, in a process of its own."""

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.crud._contestant import Contestant
from benchmarks.crud._handwritten import handwritten
from benchmarks.crud._ours import ours

ROOT = Path(__file__).resolve().parents[2]
CONTESTANTS: Mapping[str, Callable[[str], Contestant]] = {"ours": ours, "handwritten": handwritten}


@asynccontextmanager
async def serving(name: str, url: str) -> AsyncGenerator[int]:
    """Serve a contestant on a free port of the loopback, which is given; connections wait until it has started."""
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    descriptor = listening.fileno()
    command = (sys.executable, "-m", "benchmarks.wire", name, url, str(descriptor))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, pass_fds=[descriptor])
    listening.close()  # so that connections fail, rather than wait for ever, should the server not live
    try:
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
