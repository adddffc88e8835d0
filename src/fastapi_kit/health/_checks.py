"""Checks of what a service depends on, run in parallel and each within its own time.

A check that hangs is told to stop when its time is up, but not waited for: drivers clean up after a cancellation, and
on a dead network that hangs, too. The answer is never later than the longest timeout, and of a check that is still
stuck no second run is started, so that probes cannot pile up behind it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from fastapi_kit._clock import SYSTEM_CLOCK, Clock

logger = logging.getLogger("fastapi_kit.health")

Outcome = Literal["pass", "fail", "timeout"]


@dataclass(frozen=True, slots=True)
class Check:
    """A question to something that the service depends on.

    Attributes:
        name: What is checked, as clients may see it; unique among the checks of a runner.
        run: An async function without parameters, such as `database.ping`. The check fails if it raises or returns
            `False`.
        timeout: Seconds after which it counts as failed.
        critical: Whether the service cannot do its work without it.

    Raises:
        ValueError: If the name is empty or the timeout is not above 0.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    timeout: float = 2.0
    critical: bool = True

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("A check needs a name.")
        if not self.timeout > 0:
            message = f"The timeout of the check {self.name!r} is {self.timeout} seconds; it has to be above 0."
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended.

    Attributes:
        name: The check's.
        outcome: `pass`, `fail` or `timeout`.
        critical: The check's.
        seconds: How long it took.
    """

    name: str
    outcome: Outcome
    critical: bool
    seconds: float


class CheckRunner:
    """Runs checks, all at the same time.

    Runs may overlap. What a check raises goes to the log (`fastapi_kit.health`), with its traceback, when the check
    starts to fail, not again while it keeps failing; its recovery is logged, too.
    """

    def __init__(self, checks: Iterable[Check], *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Take the checks to run.

        Args:
            checks: In the order in which their results are wanted.
            clock: What measures how long they take.

        Raises:
            ValueError: If two checks have the same name.
        """
        self.checks = tuple(checks)
        twice = [name for name, count in Counter(check.name for check in self.checks).items() if count > 1]
        if twice:
            message = f"More than one check is named {' and '.join(map(repr, twice))}; give each a name of its own."
            raise ValueError(message)
        self._clock = clock
        self._failing: set[str] = set()
        self._stuck: dict[str, asyncio.Task[object]] = {}

    async def run(self) -> tuple[CheckResult, ...]:
        """Run all checks, and never raise what they raise.

        Takes as long as the slowest check, at most the longest timeout. When it is cancelled, so are the checks.

        Returns:
            The result of each check, in the order of `checks`.
        """
        return tuple(await asyncio.gather(*map(self._run_one, self.checks)))

    async def _run_one(self, check: Check) -> CheckResult:
        started = self._clock.monotonic()
        task = self._stuck.get(check.name)
        if task is None or task.done():
            task = asyncio.create_task(_call(check), name=f"check {check.name}")
            try:
                await asyncio.wait({task}, timeout=check.timeout)
            finally:
                if not task.done():
                    self._abandon(check.name, task)
        outcome, error = _verdict(task)
        self._log(check.name, outcome, error)
        return CheckResult(check.name, outcome, check.critical, self._clock.monotonic() - started)

    def _abandon(self, name: str, task: asyncio.Task[object]) -> None:
        def forget(done: asyncio.Task[object]) -> None:
            if self._stuck.get(name) is done:
                del self._stuck[name]
            if not done.cancelled():
                done.exception()  # looked at, or asyncio reports it as never retrieved

        self._stuck[name] = task
        task.add_done_callback(forget)
        task.cancel()

    def _log(self, name: str, outcome: Outcome, error: BaseException | None) -> None:
        if outcome == "pass" and name in self._failing:
            self._failing.discard(name)
            logger.info("The check %s passes again.", name)
        elif outcome != "pass" and name not in self._failing:
            self._failing.add(name)
            logger.warning("The check %s does not pass: %s.", name, outcome, exc_info=error)


async def _call(check: Check) -> object:
    return await check.run()


def _verdict(task: asyncio.Task[object]) -> tuple[Outcome, BaseException | None]:
    if not task.done():
        return "timeout", None
    if task.cancelled():
        return "fail", None
    error = task.exception()
    return "fail" if error or task.result() is False else "pass", error
