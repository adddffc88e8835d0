"""Checks run in parallel, each within its own time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from fastapi_kit.health import Check, CheckRunner, Measured, check
from fastapi_kit.testing import FrozenClock
from tests.services import require

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

    runner = CheckRunner([Check("deaf", deaf, timeout=0.02, ttl=0)])
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

    runner = CheckRunner([Check("flaky", flaky, timeout=0.02, ttl=0)])
    assert (await runner.run())[0].outcome == "timeout"
    assert (await runner.run())[0].outcome == "pass"


async def test_all_who_ask_at_once_share_one_run() -> None:
    """A hundred probes of a slow check run it once, and get the same result."""
    calls, answer = 0, asyncio.Event()

    async def slow() -> None:
        nonlocal calls
        calls += 1
        await answer.wait()

    runner = CheckRunner([Check("slow", slow, timeout=30, ttl=0)])
    probes = [asyncio.create_task(runner.run()) for _ in range(100)]
    await asyncio.sleep(0.01)
    answer.set()
    results = [result for [result] in await asyncio.gather(*probes)]
    assert calls == 1
    assert all(result is results[0] for result in results)
    await runner.run()
    assert calls == 2


async def test_a_probe_that_gives_up_takes_nobody_elses_answer() -> None:
    """Cancelling one of two askers, even the first, leaves the run to the other."""
    entered, answer = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        entered.set()
        await answer.wait()

    runner = CheckRunner([Check("slow", slow, timeout=30)])
    first, second = asyncio.create_task(runner.run()), asyncio.create_task(runner.run())
    await entered.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    answer.set()
    assert (await second)[0].outcome == "pass"


async def test_a_result_is_given_again_while_it_is_fresh() -> None:
    """Within its ttl a result, good or bad, is not asked for again; after it, it is."""
    clock = FrozenClock()
    answers = iter([works, fails, works])
    calls = 0

    async def flaky() -> None:
        nonlocal calls
        calls += 1
        await next(answers)()

    runner = CheckRunner([Check("flaky", flaky, ttl=5)], clock=clock)
    seen: list[str] = []
    for _ in range(6):
        seen.append((await runner.run())[0].outcome)
        clock.advance(2.5)
    assert seen == ["pass", "pass", "fail", "fail", "pass", "pass"]
    assert calls == 3


async def test_only_the_checks_of_a_group_are_asked() -> None:
    """A group is a question of its own; without one all are asked."""
    asked: list[str] = []

    def noting(name: str, *groups: str) -> Check:
        async def run() -> None:
            asked.append(name)

        return Check(name, run, ttl=0, groups=groups)

    runner = CheckRunner([noting("a", "ready"), noting("b", "startup", "ready"), noting("c", "startup")])
    for group, names in [("startup", ["b", "c"]), ("ready", ["a", "b"]), ("none", []), (None, ["a", "b", "c"])]:
        asked.clear()
        assert [result.name for result in await runner.run(group)] == names
        assert asked == names


async def test_a_measurement_decides_and_is_kept() -> None:
    """A check may tell what it measured, and fail by it."""

    @check("queue", ttl=0)
    async def queue() -> Measured:
        return Measured(next(lengths), "jobs", passes=False)

    lengths = iter([7])
    [result] = await CheckRunner([queue]).run()
    assert (result.outcome, result.measured) == ("fail", Measured(7, "jobs", passes=False))


async def test_the_class_of_an_error_is_kept_and_not_its_message() -> None:
    """Messages hold passwords."""
    [result] = await CheckRunner([Check("database", fails)]).run()
    assert result.error == "ConnectionError"
    assert "hunter2" not in repr(result)


def test_the_decorator_makes_a_check() -> None:
    """It takes what a check takes."""

    @check("mail", timeout=3, critical=False, ttl=9, groups=["mail"])
    async def mail() -> None:
        """Asks nothing."""

    assert (mail.name, mail.timeout, mail.critical, mail.ttl, mail.groups) == ("mail", 3, False, 9, ["mail"])


async def test_redis_is_checked_by_its_ping() -> None:
    """The client's own method is a check: passing where a server answers, failing where none listens."""
    connect: Any = Redis  # its methods are only half typed
    there = connect.from_url(require("redis"), socket_connect_timeout=1)
    gone = connect.from_url("redis://127.0.0.1:1", socket_connect_timeout=1)
    runner = CheckRunner([Check("there", there.ping), Check("gone", gone.ping)])
    try:
        results = {result.name: result for result in await runner.run()}
    finally:
        await there.aclose()
        await gone.aclose()
    assert results["gone"].outcome == "fail"
    assert results["there"].outcome == "pass"


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

    runner = CheckRunner([Check("database", flaky, ttl=0)])
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


@pytest.mark.parametrize("groups", ["ready", [], ["Ready"], ["a/b"], ["details"], [""]], ids=str)
def test_refuses_groups_that_cannot_be_paths(groups: list[str]) -> None:
    """A group is part of a path, and one path is taken."""
    with pytest.raises(ValueError, match="group"):
        Check("a", works, groups=groups)


@pytest.mark.parametrize("ttl", [-1, float("nan")])
def test_refuses_a_ttl_below_0(ttl: float) -> None:
    """A result cannot be older than now."""
    with pytest.raises(ValueError, match="has to be 0 or more"):
        Check("a", works, ttl=ttl)
