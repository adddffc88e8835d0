"""The benchmark of the layers around an endpoint."""

import io

import pytest
from fastapi import FastAPI

from benchmarks._driver import running
from benchmarks._measure import Pace
from benchmarks._mode import Mode

PEERS = "a peer, which `./dev bench` installs"
pytest.importorskip("asgi_correlation_id", reason=PEERS)
pytest.importorskip("prometheus_fastapi_instrumentator", reason=PEERS)

from benchmarks.stack import Suite  # noqa: E402
from benchmarks.stack._apps import APPS, CALL  # noqa: E402

pytestmark = pytest.mark.anyio

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))


async def test_whole_stack_and_its_parts_are_compared() -> None:
    """Ours is set against the endpoint alone, with goals for CPU time, and against what tutorials put together."""
    said: list[str] = []
    rows = await Suite(SHORT).run(said.append)
    assert said == ["stack"]
    cpu = {(row.name, row.peer): row.goal for row in rows if row.name.endswith(".cpu")}
    assert cpu[("stack.whole.cpu", "bare")] == 2.0
    assert cpu[("stack.context.cpu", "bare")] == 1.4
    assert ("stack.whole.cpu", "tutorial") in cpu
    assert all(row.ours_us > 0 and row.peer_us > 0 and row.ratio > 0 for row in rows)


async def test_ours_and_the_tutorials_do_the_same_work() -> None:
    """Both have logged the request, and ours has all of it."""
    for name in ("ours", "tutorial"):
        log = io.StringIO()
        async with running(APPS[name](log)) as server:
            await server.send(CALL)
        assert '"status_code"' in log.getvalue()


async def test_apps_that_answer_differently_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed counts only where the work is the same."""
    monkeypatch.setitem(APPS, "tutorial", lambda _: FastAPI())
    with pytest.raises(AssertionError, match="tutorial"):
        await Suite(SHORT).run(lambda _: None)
