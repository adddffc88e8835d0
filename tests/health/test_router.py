"""`/health` and `/ready` as a client sees them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from fastapi_kit.errors import install
from fastapi_kit.health import Check, health_router

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


async def get(app: FastAPI, path: str) -> httpx2.Response:
    """The answer of `app` to one request."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path)


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
    assert (response.status_code, response.json()) == (200, {"status": "ready", "failing": ["cache"]})


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
