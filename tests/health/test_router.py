"""`/health` and `/ready` as a client sees them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, HTTPException

from fastapi_kit.errors import install
from fastapi_kit.health import Check, Measured, Shutdown, health_router
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class StoppedClock:
    """A clock that shows noon."""

    def now(self) -> datetime:
        """Noon."""
        return NOON

    def monotonic(self) -> float:
        """No time passes."""
        return 0.0


async def works() -> None:
    """Everything is fine."""


async def fails() -> None:
    """A driver's error, with what no client may see."""
    raise ConnectionError("postgresql://user:hunter2@db/app")


async def hangs() -> None:
    """No answer, ever."""
    await asyncio.Event().wait()


async def get(app: FastAPI, path: str, method: str = "GET") -> httpx2.Response:
    """The answer of `app` to one request."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as api:
        return await api.request(method, path)


def make_app(checks: Sequence[Check] = (), **options: Any) -> FastAPI:
    """An app with nothing but the health router."""
    app = FastAPI(version="1.2.3")
    app.include_router(health_router(checks, clock=StoppedClock(), **options))
    return app


async def test_health_gives_status_time_and_the_apps_version() -> None:
    """The body is that of the reference, with an aware time stamp."""
    response = await get(make_app(), "/health")
    assert response.status_code == 200
    assert response.json() == {"status": "healthy", "timestamp": "2026-01-01T12:00:00Z", "version": "1.2.3"}


async def test_health_gives_another_version_if_told() -> None:
    """A given version wins over the app's."""
    assert (await get(make_app(version="9"), "/health")).json()["version"] == "9"


async def test_health_checks_nothing() -> None:
    """A process that lives is not restarted because its database is gone."""
    assert (await get(make_app([Check("database", fails)]), "/health")).status_code == 200


async def test_ready_when_all_checks_pass() -> None:
    """Nothing fails: 200."""
    response = await get(make_app([Check("database", works), Check("cache", works)]), "/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "failing": []})


async def test_ready_although_something_uncritical_fails() -> None:
    """A check that is not critical is named, and requests may come."""
    response = await get(make_app([Check("database", works), Check("cache", fails, critical=False)]), "/ready")
    assert (response.status_code, response.json()) == (200, {"status": "degraded", "failing": ["cache"]})


@pytest.mark.parametrize("run", [fails, hangs], ids=["fails", "hangs"])
async def test_not_ready_when_something_critical_fails(run: Any) -> None:
    """A critical check that fails or hangs makes a 503 that names it, and says nothing of the reason."""
    checks = [Check("database", run, timeout=0.05), Check("cache", works)]
    response = await get(make_app(checks), "/ready")
    assert response.status_code == 503
    assert response.json()["detail"] == "Service not ready: database."
    assert "hunter2" not in response.text


@pytest.mark.parametrize("path", ["/health", "/ready"])
@pytest.mark.parametrize("run", [works, fails], ids=["ready", "not ready"])
async def test_no_answer_may_be_stored(path: str, run: Any) -> None:
    """A cache between client and service must not answer for it, whatever the answer is."""
    response = await get(make_app([Check("database", run)]), path)
    assert response.headers["cache-control"] == "no-store"


async def test_the_503_is_declared() -> None:
    """Generated clients know both answers of `/ready`."""
    operation = make_app().openapi()["paths"]["/ready"]["get"]
    assert {"200", "503"} <= set(operation["responses"])


async def test_not_ready_is_a_problem_with_the_names_where_errors_are_installed() -> None:
    """With the kit's error handlers the body is a problem (RFC 9457) that lists the failing checks."""
    app = make_app([Check("cache", fails, critical=False), Check("database", fails)])
    install(app)
    response = await get(app, "/ready")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["failing"] == ["cache", "database"]


async def test_each_further_group_has_a_path_of_its_own() -> None:
    """A group is answered like readiness, and does not touch it."""
    app = make_app([Check("database", works), Check("warm", fails, groups=["startup"])])
    assert (await get(app, "/ready")).status_code == 200
    answer = await get(app, "/health/startup")
    assert (answer.status_code, answer.json()["detail"]) == (503, "Service not ready: warm.")
    assert (await get(app, "/health/other")).status_code == 404


async def refuse() -> None:
    """Lets nobody in."""
    raise HTTPException(401)


async def admit() -> None:
    """Lets everybody in."""


async def test_details_are_for_those_whom_the_dependency_lets_in() -> None:
    """Without one there is no such path; with one that refuses there is no answer, for HEAD neither."""
    checks = [Check("database", fails)]
    assert (await get(make_app(checks), "/health/details")).status_code == 404
    refusing = make_app(checks, details=[Depends(refuse)])
    for method in ("GET", "HEAD"):
        assert (await get(refusing, "/health/details", method)).status_code == 401
    answer = await get(make_app(checks, details=[Depends(admit)]), "/health/details")
    assert answer.status_code == 503
    assert "hunter2" not in answer.text


async def test_details_tell_all_of_all_checks() -> None:
    """Times, causes and measurements, in the draft's form, and of every group."""

    async def measured() -> Measured:
        return Measured(5, "bytes", passes=False)

    checks = [
        Check("database", works),
        Check("cache", fails, critical=False),
        Check("disk", measured, critical=False, groups=["storage"]),
        Check("slow", hangs, timeout=0.01, critical=False),
    ]
    answer = await get(make_app(checks, details=[Depends(admit)]), "/health/details")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/health+json"
    body = answer.json()
    assert (body["status"], body["releaseId"]) == ("warn", "1.2.3")
    made = {"time": "2026-01-01T12:00:00Z", "seconds": 0.0}
    assert body["checks"] == {
        "database": [{"status": "pass", "critical": True, **made}],
        "cache": [{"status": "warn", "critical": False, "output": "ConnectionError", **made}],
        "disk": [{"status": "warn", "critical": False, "observedValue": 5.0, "observedUnit": "bytes", **made}],
        "slow": [{"status": "warn", "critical": False, "output": "timeout", **made}],
    }


@pytest.mark.parametrize(
    ("run", "critical", "status_code", "status"),
    [(works, True, 200, "pass"), (fails, False, 200, "warn"), (fails, True, 503, "fail")],
    ids=["pass", "warn", "fail"],
)
async def test_the_form_of_the_draft(run: Any, critical: bool, status_code: int, status: str) -> None:
    """`application/health+json` with the status that goes with the status code, and no more than the names."""
    app = make_app([Check("database", run, critical=critical)], render="health+json")
    answer = await get(app, "/ready")
    assert answer.status_code == status_code
    assert answer.headers["content-type"] == "application/health+json"
    assert answer.headers["cache-control"] == "no-store"
    failing = {} if status == "pass" else {"checks": {"database": [{"status": status}]}}
    assert answer.json() == {"status": status, "releaseId": "1.2.3", **failing}
    alive = await get(app, "/health")
    assert (alive.status_code, alive.json()) == (200, {"status": "pass", "releaseId": "1.2.3"})


@pytest.mark.parametrize("render", ["plain", "health+json"])
async def test_not_ready_while_draining(render: str) -> None:
    """From the announcement on: nothing is asked any more, other questions are answered as before."""
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1

    shutdown = Shutdown(delay=60)
    app = make_app([Check("database", ask, ttl=0, groups=["ready", "live"])], render=render)
    app.router.lifespan_context = compose(shutdown.lifespan)
    async with client(app) as api:
        assert (await api.get("/ready")).status_code == 200
        shutdown.begin()
        answer = await api.get("/ready")
        assert answer.status_code == 503
        assert "draining" in answer.text
        assert asked == 1
        assert (await api.get("/health")).status_code == 200
        assert (await api.get("/health/live")).status_code == 200
        shutdown.stop()
        assert (await api.get("/ready")).status_code == 503


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_head_works(path: str) -> None:
    """Some monitors ask by HEAD."""
    assert (await get(make_app(), path, "HEAD")).status_code == 200


@pytest.mark.parametrize("options", [{"render": "xml"}, {"details": []}], ids=["no such form", "details for everyone"])
def test_refuses_what_cannot_be_meant(options: Any) -> None:
    """With a message that names the cure."""
    with pytest.raises(ValueError, match=r"choose|give a dependency"):
        health_router(**options)
