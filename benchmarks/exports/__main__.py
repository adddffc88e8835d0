"""`python -m benchmarks.exports APP URL`: one app in a process of its own, so that its memory is its own, too.

It says `ready` and then reads targets, one a line; for each it drains the answer and prints an `Outcome` as JSON.
"""

import json
import sys
import time
from dataclasses import asdict

import uvloop

from benchmarks._driver import Call, running
from benchmarks._memory import watch_growth
from benchmarks.places._variants import APPS

from ._worker import Outcome


async def serve(name: str, url: str) -> None:
    """Do what is asked for on standard input, until its end."""
    async with running(APPS[name](url)) as app:
        await app.send(Call("GET", "/places?limit=100"))  # connects, and imports what is imported late
        print("ready", flush=True)
        for line in sys.stdin:
            watched = watch_growth()
            cpu, wall = time.process_time(), time.perf_counter()
            sent = await app.drain(Call("GET", line.strip()))
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            outcome = Outcome(sent.status, sent.size, sent.checksum, cpu * 1e6, wall * 1e6, watched())
            print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
