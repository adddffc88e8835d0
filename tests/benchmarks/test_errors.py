"""The benchmark of errors, briefly."""

import pytest

from benchmarks._driver import Call
from benchmarks._measure import Pace
from benchmarks._mode import Mode
from benchmarks.errors import Suite

pytestmark = pytest.mark.anyio

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))


async def test_each_kind_is_compared_with_fastapi() -> None:
    """A failure has a goal for its CPU time; the others are for information."""
    said: list[str] = []
    rows = await Suite(SHORT).run(said.append)
    kinds = ["errors.failure", "errors.exception", "errors.validation", "errors.unknown_path"]
    assert said == kinds
    assert [(row.name, row.peer, row.goal) for row in rows] == [
        (f"{kind}.{clock}", "FastAPI", 1.2 if (kind, clock) == ("errors.failure", "cpu") else None)
        for kind in kinds
        for clock in ("cpu", "wall")
    ]


async def test_another_answer_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed counts only where both fail alike."""
    monkeypatch.setattr("benchmarks.errors._suite.KINDS", {"failure": (Call("GET", "/failure"), 501)})
    with pytest.raises(AssertionError, match="500"):
        await Suite(SHORT).run(lambda _: None)
