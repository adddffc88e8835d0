"""All apps in one process: first that all answer the same, then what each costs."""

import os
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from benchmarks._driver import running
from benchmarks._measure import Pace, measure
from benchmarks._mode import QUICK_ALLOWANCE, Mode, Say
from benchmarks._report import Goal, Goals, Row, compare
from benchmarks._work import Repeated, sending

from ._apps import APPS, CALL

WHOLE = 2.0
"""What a request through the whole stack may cost in CPU time, as a ratio to one to the endpoint alone."""
CONTEXT = 1.4
"""The same with the request context alone."""

COMPARISONS = (
    ("whole", "ours", "bare", WHOLE),
    ("whole", "ours", "tutorial", None),
    ("whole", "ours", "correlation-id + instrumentator", None),
    ("context", "ours alone", "bare", CONTEXT),
    ("tutorial", "tutorial", "bare", None),
    ("correlation-id + instrumentator", "correlation-id + instrumentator", "bare", None),
)
"""What is set beside what: a name, two apps, and the goal of the ratio."""

QUICK = Mode(Pace(rounds=40, calls=60, seconds=12), QUICK_ALLOWANCE)
FULL = Mode(Pace(rounds=200, calls=100, seconds=90))


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark.

    Args:
        mode: How thoroughly to measure.
    """

    mode: Mode

    async def run(self, say: Say) -> list[Row]:
        """Measure all apps."""
        say("stack")
        async with _started() as contenders:
            samples = await measure(contenders, self.mode.pace)
        rows: list[Row] = []
        for name, one, other, ratio in COMPARISONS:
            goal = None if ratio is None else Goal(ratio, self.mode.allowance)
            rows += compare(f"stack.{name}", samples[one], other, samples[other], Goals(cpu=goal))
        return rows


@contextmanager
def open_log() -> Generator[TextIO]:
    """A file that keeps nothing."""
    with Path(os.devnull).open("w", encoding="utf-8") as log:
        yield log


@asynccontextmanager
async def _started() -> AsyncGenerator[dict[str, Repeated]]:
    """Start every app, with a log that goes nowhere; all answer the same."""
    async with AsyncExitStack() as stack:
        log = stack.enter_context(open_log())
        contenders: dict[str, Repeated] = {}
        expected = None
        for name, make in APPS.items():
            server = await stack.enter_async_context(running(make(log)))
            answer = await server.send(CALL)
            expected = expected or answer
            if answer != expected:
                raise AssertionError(f"{name}: {answer}, not {expected}")
            contenders[name] = await sending(server, CALL)
        yield contenders
