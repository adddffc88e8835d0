"""Timing contenders fairly on a machine that is not quiet.

All contenders do the same number of calls in each round, one after another, and the order moves on by one each round.
What disturbs the machine disturbs neighbours alike, so each round gives one ratio, and the median of the ratios is the
result. CPU time is this whole process's, driver threads included; a database server's own work is outside of it.
"""

import gc
import time
from collections.abc import Awaitable, Callable, Generator, Hashable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

LEAST_ROUNDS = 5
"""Rounds that a median needs, however slow the machine is."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one call cost, in microseconds, as the mean over one batch."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure.

    Args:
        rounds: Rounds at most.
        calls: Calls in each batch.
        seconds: The time after which no further round begins, once there are enough for a median.
    """

    rounds: int
    calls: int
    seconds: float


class Contender(Protocol):
    """Something to time."""

    async def batch(self, calls: int) -> Callable[[], Awaitable[None]]:
        """Prepare `calls` calls, off the clock; the function given back makes them, on it."""
        ...


async def interleave(contenders: Mapping[K, Contender], pace: Pace) -> dict[K, list[Sample]]:
    """Time every contender in every round.

    Returns:
        By contender, one sample per round; the samples at one index are from the same round.
    """
    samples: dict[K, list[Sample]] = {name: [] for name in contenders}
    names = list(contenders)
    end = time.monotonic() + pace.seconds
    for number in range(pace.rounds):
        if number >= LEAST_ROUNDS and time.monotonic() > end:
            break
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            samples[name].append(await time_batch(contenders[name], pace.calls))
    return samples


async def measure(contenders: Mapping[K, Contender], pace: Pace) -> dict[K, list[Sample]]:
    """Interleave warm contenders, while what they have made so far is nothing for the garbage collector to look at."""
    await interleave(contenders, Pace(rounds=2, calls=pace.calls, seconds=1))
    with frozen_heap():
        return await interleave(contenders, pace)


async def time_batch(contender: Contender, calls: int) -> Sample:
    """Time one batch; garbage of what came before is collected first, off the clock."""
    run = await contender.batch(calls)
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    await run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Sample(cpu / calls * 1e6, wall / calls * 1e6)


def added(its: Sequence[Sample], others: Sequence[Sample]) -> list[float]:
    """Microseconds of CPU time that one takes more than the other, in each round."""
    return [it.cpu - other.cpu for it, other in zip(its, others, strict=True)]


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the per-round ratios."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


@contextmanager
def frozen_heap() -> Generator[None]:
    """Keep what exists now out of garbage collections in the block, as a tuned server does after start-up."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
