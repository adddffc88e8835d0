"""The algorithm, against an exact model of what it has to be, and its copy in Lua against itself."""

from collections.abc import AsyncIterator, Sequence
from fractions import Fraction
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastapi_kit.ratelimit._meter import Decision, spend
from fastapi_kit.ratelimit._rules import Rule, Rules, parse_rules
from fastapi_kit.ratelimit.redis import _SPEND  # pyright: ignore[reportPrivateUsage] -- its clock is replaced
from fastapi_kit.redis import RedisClient, Script
from tests.services import require

RULES = st.lists(st.builds(Rule, st.integers(1, 7), st.integers(1, 5)), min_size=1, max_size=3).map(tuple)
STEPS = st.lists(st.tuples(st.sampled_from([0, 1, 7, 250, 999, 1_000, 4_000]), st.integers(0, 3)), max_size=60)
START = 1_700_000_000_000


def run(rules: Rules, steps: Sequence[tuple[int, int]]) -> list[tuple[int, Decision]]:
    """The decisions for requests of some cost, each so many milliseconds after the last."""
    known: Decision | None = None
    now, decisions = START, list[tuple[int, Decision]]()
    for wait, cost in steps:
        now += wait
        known = spend(rules, known, cost, now)
        decisions.append((now, known))
    return decisions


@given(RULES, STEPS)
def test_it_is_gcra(rules: Rules, steps: list[tuple[int, int]]) -> None:
    """Each decision is that of the generic cell rate algorithm, by theoretical arrival times in exact fractions."""
    arrivals = [Fraction(START)] * len(rules)
    for (now, decision), (_, cost) in zip(run(rules, steps), steps, strict=True):
        windows = [Fraction(rule.window * 1_000) for rule in rules]
        added = [
            max(tat, Fraction(now)) + cost * window / rule.limit
            for tat, window, rule in zip(arrivals, windows, rules, strict=True)
        ]
        allowed = all(tat - now <= window for tat, window in zip(added, windows, strict=True))
        assert decision.allowed == allowed
        if allowed:
            arrivals = added
        left = [
            (now + window - max(tat, Fraction(now))) // (window / rule.limit)
            for tat, window, rule in zip(arrivals, windows, rules, strict=True)
        ]
        assert decision.remaining() == left


@given(RULES, STEPS)
def test_no_window_has_more_than_its_share(rules: Rules, steps: list[tuple[int, int]]) -> None:
    """Between any two instants at most the limit passes, and what the rule lets through in that time."""
    passed = [(now, decision.cost) for now, decision in run(rules, steps) if decision.allowed]
    for first, (begin, _) in enumerate(passed):
        total = 0
        for now, cost in passed[first:]:
            total += cost
            assert all(
                total <= rule.limit + Fraction((now - begin) * rule.limit, rule.window * 1_000) for rule in rules
            )


@given(RULES, STEPS, st.integers(1, 3))
def test_retry_after_is_true_and_not_too_long(rules: Rules, steps: list[tuple[int, int]], cost: int) -> None:
    """After that many seconds the same request passes, and a second and a millisecond earlier it would not have."""
    known: Decision | None = None
    now = START
    for wait, spent in steps:
        now += wait
        known = spend(rules, known, spent, now)
    known = refused = spend(rules, known, cost, now)
    if refused.allowed:
        return
    seconds = refused.retry_after()
    if seconds is None:
        assert any(cost > rule.limit for rule in rules)
        return
    assert spend(rules, known, cost, now + seconds * 1_000).allowed
    assert not spend(rules, known, cost, now + seconds * 1_000 - 1_000).allowed


@given(RULES, STEPS)
def test_resets_are_true(rules: Rules, steps: list[tuple[int, int]]) -> None:
    """After the longest of them all quotas are whole again."""
    for now, decision in run(rules, steps):
        later = spend(rules, decision, 0, now + max(decision.resets()) * 1_000)
        assert later.remaining() == [rule.limit for rule in rules]


def test_all_or_nothing() -> None:
    """A request that one rule refuses counts in none of the others."""
    rules = parse_rules("1/second;3/hour")
    decisions = [decision for _, decision in run(rules, [(0, 1), (0, 1), (0, 1), (1_000, 1), (1_000, 1), (1_000, 1)])]
    assert [decision.allowed for decision in decisions] == [True, False, False, True, True, False]
    assert decisions[2].remaining() == [0, 2]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """A server whose time is set back lets nobody pass because of it."""
    rules = parse_rules("1/second")
    first = spend(rules, None, 1, START)
    second = spend(rules, first, 1, START - 10_000)
    third = spend(rules, second, 1, START + 999)
    fourth = spend(rules, third, 1, START + 1_000)
    assert [it.allowed for it in (first, second, third, fourth)] == [True, False, False, True]


@pytest.fixture
async def redis() -> AsyncIterator[RedisClient]:
    """The shared server."""
    client = RedisClient(require("redis"))
    yield client
    await client.aclose()


@pytest.mark.redis
@pytest.mark.anyio
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULES, steps=STEPS)
async def test_lua_decides_as_python_does(redis: RedisClient, rules: Rules, steps: list[tuple[int, int]]) -> None:
    """At the same times the script gives the same answers and the same levels."""
    timed = _SPEND.source.replace("redis.call('TIME')", "{table.remove(ARGV), table.remove(ARGV)}")
    assert timed != _SPEND.source
    script, key = Script(timed), f"test:{uuid4()}"
    shape = [number for rule in rules for number in (rule.drain, rule.weight, rule.capacity)]
    for now, decision in run(rules, steps):
        micros, seconds = now % 1_000 * 1_000, now // 1_000
        answer = await redis.run(script, decision.cost, *shape, micros, seconds, keys=[key])
        assert answer == [int(decision.allowed), *decision.levels]
    await redis.run("DEL", key)
