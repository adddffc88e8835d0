"""Checks run in parallel, each within its own time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_kit.health import Check, CheckRunner

pytestmark = pytest.mark.anyio

Run = Callable[[], Awaitable[object]]


class OddError(BaseException):
    """An error that `except Exception` does not see."""


async def works() -> None:
    """Everything is fine."""


async def says_no() -> bool:
    """An answer that is no."""
    return False


async def fails() -> None:
    """A driver's error, with what no client may see."""
    raise ConnectionError("postgresql://user:hunter2@db/app")


async def fails_oddly() -> None:
    """An error outside of `Exception`."""
    raise OddError


async def cancels_itself() -> None:
    """A driver that gives up by cancellation."""
    raise asyncio.CancelledError


async def hangs() -> None:
    """No answer, ever."""
    await asyncio.Event().wait()


async def hangs_on() -> None:
    """No answer, and deaf to cancellation for longer than a test lasts."""
    for _ in range(20):
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue


def not_async() -> Awaitable[object]:
    """A function that fails before there is anything to await."""
    raise RuntimeError


KINDS: dict[Run, str] = {
    works: "pass",
    says_no: "fail",
    fails: "fail",
    fails_oddly: "fail",
    cancels_itself: "fail",
    not_async: "fail",
    hangs: "timeout",
}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(list(KINDS)), max_size=6))
async def test_every_check_is_judged_alone(runs: list[Run]) -> None:
    """Law: whatever the checks do, each gets its own verdict, in order, and all take as long as one timeout."""
    runner = CheckRunner(Check(str(number), run, timeout=0.02) for number, run in enumerate(runs))
    started = time.monotonic()
    results = await runner.run()
    assert time.monotonic() - started < 1
    assert [(result.name, result.outcome) for result in results] == [
        (str(number), KINDS[run]) for number, run in enumerate(runs)
    ]


async def test_checks_run_at_the_same_time() -> None:
    """Checks that wait for each other all pass."""
    barrier = asyncio.Barrier(3)
    results = await CheckRunner(Check(name, barrier.wait) for name in "abc").run()
    assert {result.outcome for result in results} == {"pass"}


async def test_a_check_costs_at_most_its_timeout_even_if_it_does_not_stop() -> None:
    """A check deaf to cancellation is left behind, and not run again while it is stuck."""
    calls = 0

    async def deaf() -> None:
        nonlocal calls
        calls += 1
        await hangs_on()

    runner = CheckRunner([Check("deaf", deaf, timeout=0.02)])
    started = time.monotonic()
    outcomes = [(await runner.run())[0].outcome for _ in range(3)]
    assert time.monotonic() - started < 0.5
    assert outcomes == ["timeout"] * 3
    assert calls == 1


async def test_a_check_is_run_again_once_it_is_no_longer_stuck() -> None:
    """After a hung check has stopped, the next run asks anew."""
    answers = iter([hangs, works])

    async def flaky() -> None:
        await next(answers)()

    runner = CheckRunner([Check("flaky", flaky, timeout=0.02)])
    assert (await runner.run())[0].outcome == "timeout"
    assert (await runner.run())[0].outcome == "pass"


async def test_runs_may_overlap() -> None:
    """Two runs at once time out alike, and neither leaves the check stuck."""
    answers = iter([hangs, hangs, works])

    async def flaky() -> None:
        await next(answers)()

    runner = CheckRunner([Check("flaky", flaky, timeout=0.02)])
    both = await asyncio.gather(runner.run(), runner.run())
    assert [results[0].outcome for results in both] == ["timeout", "timeout"]
    assert (await runner.run())[0].outcome == "pass"


async def test_cancelling_the_run_cancels_its_checks() -> None:
    """A run that is given up raises the cancellation and leaves no check behind."""
    entered, left = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        entered.set()
        try:
            await hangs()
        finally:
            left.set()

    run = asyncio.create_task(CheckRunner([Check("slow", slow)]).run())
    await entered.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await asyncio.wait_for(left.wait(), 1)


async def test_results_carry_what_the_check_is() -> None:
    """Name, importance and the time that it took."""
    [result] = await CheckRunner([Check("cache", hangs, timeout=0.03, critical=False)]).run()
    assert (result.name, result.critical) == ("cache", False)
    assert 0.02 < result.seconds < 1


async def test_failure_and_recovery_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first failure is logged with its traceback, further ones are not, and then the recovery is."""
    answers = iter([works, fails, fails, works, works])

    async def flaky() -> None:
        await next(answers)()

    runner = CheckRunner([Check("database", flaky)])
    with caplog.at_level(logging.INFO, "fastapi_kit.health"):
        for _ in range(5):
            await runner.run()
    assert [record.getMessage() for record in caplog.records] == [
        "The check database does not pass: fail.",
        "The check database passes again.",
    ]
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[0] is ConnectionError


def test_refuses_two_checks_of_one_name() -> None:
    """A name that stands for two things is refused."""
    with pytest.raises(ValueError, match="More than one check is named 'a'; give each"):
        CheckRunner([Check("a", works), Check("b", works), Check("a", works)])


@pytest.mark.parametrize(
    ("name", "timeout"),
    [pytest.param("", 1, id="no name"), pytest.param("a", 0, id="no time"), pytest.param("a", float("nan"), id="nan")],
)
def test_refuses_a_check_that_cannot_be_run(name: str, timeout: float) -> None:
    """A name and a time above 0 are needed."""
    with pytest.raises(ValueError, match=r"needs a name|has to be above 0"):
        Check(name, works, timeout=timeout)
