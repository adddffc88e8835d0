"""`python -m benchmarks.decisions NAME`: one table to standard output."""

import argparse
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from statistics import median

import uvloop

from benchmarks._measure import Contender, Pace, frozen_heap, interleave, median_ratio

from ._answers import answers
from ._connections import connections
from ._edges import edges
from ._handlers import handlers
from ._layers import layers
from ._totals import totals
from ._trips import trips

PACE = Pace(rounds=40, calls=50, seconds=20)

Measurement = Callable[[], AbstractAsyncContextManager[Mapping[str, Contender]]]
MEASUREMENTS: Mapping[str, Measurement] = {
    "answers": answers,
    "connections": connections,
    "edges": edges,
    "handlers": handlers,
    "layers": layers,
    "totals": totals,
    "trips": trips,
}


async def measure(measurement: Measurement) -> AsyncGenerator[str]:
    """The lines of the table; the first contender is the way that was taken."""
    async with measurement() as contenders:
        await interleave(contenders, Pace(rounds=2, calls=PACE.calls, seconds=PACE.seconds))  # warm
        with frozen_heap():
            samples = await interleave(contenders, PACE)
    taken = next(iter(samples.values()))
    for name, own in samples.items():
        cpu, wall = median(sample.cpu for sample in own), median(sample.wall for sample in own)
        cpu_ratio = median_ratio([sample.cpu for sample in own], [sample.cpu for sample in taken])
        wall_ratio = median_ratio([sample.wall for sample in own], [sample.wall for sample in taken])
        yield f"{name:<44}{cpu:>10.0f}{cpu_ratio:>8.2f}{wall:>10.0f}{wall_ratio:>8.2f}"


async def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(prog="benchmarks.decisions", description="Measure what a decision rests on.")
    parser.add_argument("name", choices=sorted(MEASUREMENTS))
    options = parser.parse_args()
    print(f"{'':<44}{'CPU µs':>10}{'ratio':>8}{'wall µs':>10}{'ratio':>8}")
    async for line in measure(MEASUREMENTS[options.name]):
        print(line)


if __name__ == "__main__":
    uvloop.run(main())
