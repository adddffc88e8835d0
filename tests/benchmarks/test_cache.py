"""The cache benchmark on a few calls."""

import pytest

from benchmarks._measure import Pace
from benchmarks._mode import Mode
from tests.services import require

pytest.importorskip("cashews", reason="a peer, which `./dev bench` installs")

from benchmarks.cache import Suite

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.redis,
    pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning"),  # by cashews
]

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))


async def test_hits_and_first_calls_are_set_beside_budgets_and_peers() -> None:
    """All apps answer the same, or nothing is measured; budgets are the goals."""
    require("redis")
    rows = await Suite(SHORT).run(lambda _: None)
    budgets = [(row.name, row.goal) for row in rows if row.peer == "budget"]
    assert budgets == [
        ("cache.hit.memory.in_all.cpu", 1.0),
        ("cache.hit.memory.of_a_user.cpu", 1.0),
        ("cache.hit.redis.in_all.cpu", 1.0),
        ("cache.hit.redis.of_a_user.cpu", 1.0),
        ("cache.idempotent.memory.first.cpu", 1.0),
    ]
    assert {row.peer for row in rows} == {
        "budget",
        "fastapi-cache2",
        "cashews",
        "no cache",
        "without a key",
    }
