"""The benchmark of limits on a few calls."""

import pytest

from benchmarks._measure import Pace
from benchmarks._mode import Mode
from benchmarks.limits import Suite
from tests.services import require

pytestmark = [pytest.mark.anyio, pytest.mark.redis]

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))


async def test_limits_are_set_beside_budgets_and_peers() -> None:
    """All apps answer the same, or nothing is measured; a limit on Redis is one trip."""
    require("redis")
    rows = await Suite(SHORT).run(lambda _: None)
    goals = [(row.name, row.goal) for row in rows if row.goal is not None]
    assert goals == [
        ("limits.memory.policy.added.cpu", 1.0),
        ("limits.memory.dependency.itself.cpu", 1.0),
        ("limits.redis.policy.added.cpu", 1.0),
        ("limits.redis.dependency.itself.cpu", 1.0),
        ("limits.redis.policy.trips", 1.0),
        ("limits.redis.dependency.trips", 1.0),
    ]
    assert [row.ours_us for row in rows if row.name.endswith(".trips")] == [1.0, 1.0]
    assert {row.peer for row in rows if row.name.startswith("limits.memory")} >= {"slowapi", "slowapi, middleware"}
