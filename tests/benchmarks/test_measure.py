"""Interleaved rounds, and ratios that a disturbed machine does not move."""

from collections.abc import Awaitable, Callable

import pytest

from benchmarks._measure import Pace, Sample, interleave, median_ratio
from benchmarks._report import Goal, Goals, as_json, as_table, compare

pytestmark = pytest.mark.anyio


class Counter:
    """A contender that writes down when it prepares and when it runs."""

    def __init__(self, name: str, events: list[str]) -> None:
        self._name = name
        self._events = events

    async def batch(self, calls: int) -> Callable[[], Awaitable[None]]:
        """Prepare."""
        self._events.append(f"prepare {self._name} {calls}")

        async def run() -> None:
            self._events.append(f"run {self._name}")

        return run


async def test_every_contender_runs_in_every_round_and_the_order_moves_on() -> None:
    """Nobody is always first."""
    events: list[str] = []
    samples = await interleave({name: Counter(name, events) for name in "abc"}, Pace(rounds=3, calls=5, seconds=9))
    assert [event.removeprefix("run ") for event in events if event.startswith("run")] == list("abcbcacab")
    assert events[0] == "prepare a 5"
    assert {name: len(of_one) for name, of_one in samples.items()} == {"a": 3, "b": 3, "c": 3}


async def test_a_slow_machine_makes_fewer_rounds_but_enough_for_a_median() -> None:
    """Time that is up ends the measurement after five rounds."""
    samples = await interleave({"a": Counter("a", [])}, Pace(rounds=100, calls=1, seconds=0))
    assert len(samples["a"]) == 5


def test_the_ratio_is_taken_in_each_round() -> None:
    """A round in which the machine was slow counts no more than another."""
    assert median_ratio([1.0, 10.0, 1.0], [2.0, 20.0, 2.0]) == 0.5


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        pytest.param(Goal(0.5), True, id="reached"),
        pytest.param(Goal(0.4), False, id="missed"),
        pytest.param(Goal(0.45, allowance=1.15), True, id="missed by less than a quick run may"),
        pytest.param(None, None, id="no goal"),
    ],
)
def test_a_row_says_whether_its_goal_holds(goal: Goal | None, expected: bool | None) -> None:
    """CPU time and wall time have each their own goal, or none."""
    cpu, wall = compare("it", [Sample(1, 4)] * 3, "peer", [Sample(2, 2)] * 3, Goals(cpu=goal))
    assert (cpu.name, cpu.ratio, cpu.holds) == ("it.cpu", 0.5, expected)
    assert (wall.name, wall.ratio, wall.holds) == ("it.wall", 2.0, None)
    cpu, wall = compare("it", [Sample(4, 1)] * 3, "peer", [Sample(2, 2)] * 3, Goals(wall=goal))
    assert (cpu.ratio, cpu.holds) == (2.0, None)
    assert (wall.ratio, wall.holds) == (0.5, expected)


def test_reports_are_json_or_columns() -> None:
    """JSON has exactly the agreed keys; the table shows a missed goal."""
    rows = compare("it", [Sample(1.0, 1.0)], "peer", [Sample(2.0, 2.0)], Goals(cpu=Goal(0.1)))
    assert as_json(rows[:1]) == (
        '[\n  {"name": "it.cpu", "ours_us": 1.0, "peer": "peer", "peer_us": 2.0, '
        '"ratio": 0.5, "goal": 0.1, "holds": false}\n]'
    )
    assert "0.10  NO" in as_table(rows)
