"""Running checks in parallel, each within its own time, and each at most once at a time.

A check that hangs is told to stop when its time is up, but not waited for: drivers clean up after a cancellation, and
on a dead network that hangs, too. The answer is never later than the longest timeout, and of a check that is still
stuck no second run is started, so that probes cannot pile up behind it.

Whoever asks while a check runs gets the result of that run, and whoever asks soon after gets it again (`Check.ttl`), so
what a check costs does not depend on how many ask. A run therefore belongs to all who wait for it: it goes on when one
of them gives up.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.health._checks import Check, CheckResult, Measured, Outcome

logger = logging.getLogger("fastapi_kit.health")


class CheckRunner:
    """Runs checks, all at the same time.

    Runs may overlap. What a check raises goes to the log (`fastapi_kit.health`), with its traceback, when the check
    starts to fail, not again while it keeps failing; its recovery is logged, too.
    """

    def __init__(self, checks: Iterable[Check], *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Take the checks to run.

        Args:
            checks: In the order in which their results are wanted.
            clock: What measures how long they take, and how old a result is.

        Raises:
            ValueError: If two checks have the same name.
        """
        self.checks = tuple(checks)
        twice = [name for name, count in Counter(check.name for check in self.checks).items() if count > 1]
        if twice:
            message = f"More than one check is named {' and '.join(map(repr, twice))}; give each a name of its own."
            raise ValueError(message)
        self._watches = [_Watch(check, clock) for check in self.checks]

    async def run(self, group: str | None = None) -> tuple[CheckResult, ...]:
        """Ask all checks, and never raise what they raise.

        Takes as long as the slowest check, at most the longest timeout.

        Args:
            group: Ask only the checks of this group.

        Returns:
            The result of each check, in the order of `checks`.
        """
        watches = [watch for watch in self._watches if group is None or group in watch.check.groups]
        return tuple(await asyncio.gather(*(watch.result() for watch in watches)))


class _Watch:
    """One check, its last result, and what of it still runs."""

    def __init__(self, check: Check, clock: Clock) -> None:
        self.check = check
        self._clock = clock
        self._last: CheckResult | None = None
        self._fresh_until = 0.0
        self._flight: asyncio.Task[CheckResult] | None = None
        self._stuck: asyncio.Task[object] | None = None
        self._fails = False

    async def result(self) -> CheckResult:
        """The last result while it is fresh, else that of the run that is under way, else that of a new one."""
        if self._last is not None and self._clock.monotonic() < self._fresh_until:
            return self._last
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._ask(), name=f"health of {self.check.name}")
        return await asyncio.shield(self._flight)

    async def _ask(self) -> CheckResult:
        started = self._clock.monotonic()
        task = self._stuck
        if task is None or task.done():
            task = asyncio.create_task(_call(self.check), name=f"check {self.check.name}")
            try:
                await asyncio.wait({task}, timeout=self.check.timeout)
            finally:
                if not task.done():
                    self._abandon(task)
        ended = self._clock.monotonic()
        self._last = self._judge(task, ended - started)
        self._fresh_until = ended + self.check.ttl
        return self._last

    def _abandon(self, task: asyncio.Task[object]) -> None:
        def forget(done: asyncio.Task[object]) -> None:
            if self._stuck is done:
                self._stuck = None
            if not done.cancelled():
                done.exception()  # looked at, or asyncio reports it as never retrieved

        self._stuck = task
        task.add_done_callback(forget)
        task.cancel()

    def _judge(self, task: asyncio.Task[object], seconds: float) -> CheckResult:
        outcome, error = _verdict(task)
        self._log(outcome, error)
        returned = None if outcome == "timeout" or task.cancelled() or error else task.result()
        return CheckResult(
            self.check.name,
            outcome,
            self.check.critical,
            seconds,
            self._clock.now(),
            type(error).__qualname__ if error else None,
            returned if isinstance(returned, Measured) else None,
        )

    def _log(self, outcome: Outcome, error: BaseException | None) -> None:
        if outcome == "pass" and self._fails:
            logger.info("The check %s passes again.", self.check.name)
        elif outcome != "pass" and not self._fails:
            logger.warning("The check %s does not pass: %s.", self.check.name, outcome, exc_info=error)
        self._fails = outcome != "pass"


async def _call(check: Check) -> object:
    return await check.run()


def _verdict(task: asyncio.Task[object]) -> tuple[Outcome, BaseException | None]:
    if not task.done():
        return "timeout", None
    if task.cancelled():
        return "fail", None
    error = task.exception()
    if error is not None:
        return "fail", error
    returned = task.result()
    says_no = returned is False or (isinstance(returned, Measured) and not returned.passes)
    return "fail" if says_no else "pass", None
