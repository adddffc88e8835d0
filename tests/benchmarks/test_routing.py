"""The routing benchmark on a few routers."""

import pytest
from fastapi import APIRouter

from benchmarks._measure import Pace
from benchmarks._mode import Mode
from benchmarks.routing import Suite

pytestmark = pytest.mark.anyio

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))


async def test_each_kind_is_compared_with_each_layout() -> None:
    """Ours is set against one router, with a goal for CPU time, and against as many without an index, without one."""
    said: list[str] = []
    rows = await Suite(SHORT, routers=3).run(said.append)
    kinds = ["routing.sqlite.get", "routing.trivial"]
    assert said == kinds
    assert [(row.name, row.peer, row.goal) for row in rows] == [
        (f"{kind}.{clock}", peer, goal if clock == "cpu" else None)
        for kind in kinds
        for peer, goal in (("one router", 1.3), ("not indexed", None))
        for clock in ("cpu", "wall")
    ]
    assert all(row.ours_us > 0 and row.peer_us > 0 and row.ratio > 0 for row in rows)


def telling(prefix: str) -> APIRouter:
    """A router that answers with its prefix."""
    router = APIRouter(prefix=prefix)

    @router.get("/{key}")
    async def answer(key: str) -> str:
        return prefix + key

    return router


async def test_layouts_that_answer_differently_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed counts only where the work is the same."""
    monkeypatch.setattr("benchmarks.routing._suite.KINDS", {"telling": telling})
    with pytest.raises(AssertionError, match="one router"):
        await Suite(SHORT, routers=2).run(lambda _: None)
