"""`/health` and `/ready`, which orchestrators and load balancers ask."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.errors import ServiceUnavailableError, raises
from fastapi_kit.health._checks import Check, CheckRunner

_NO_STORE = {"cache-control": "no-store"}


class Health(BaseModel):
    """The process is alive."""

    status: Literal["healthy"] = "healthy"
    timestamp: datetime
    version: str


class Readiness(BaseModel):
    """The service can do its work."""

    status: Literal["ready"] = "ready"
    failing: list[str] = Field(description="Names of the checks that fail and are not critical.")


def health_router(
    checks: Iterable[Check] = (), *, version: str | None = None, clock: Clock = SYSTEM_CLOCK
) -> APIRouter:
    """Make a router with the two questions that are asked of a service from outside.

    - `GET /health` (is the process alive? else restart it) answers 200 at once and checks nothing: a restart does not
      mend a database.
    - `GET /ready` (may requests be sent here?) runs all checks in parallel. It answers 200, or 503 if a critical one
      fails. Either names the failing checks and tells no more; why they fail is in the log.

    No answer may be stored by a cache.

    Args:
        checks: What the service depends on.
        version: The version that `/health` gives; by default the app's own.
        clock: Where the time stamp comes from.

    Raises:
        ValueError: If two checks have the same name.
    """
    runner = CheckRunner(checks, clock=clock)
    router = APIRouter(tags=["health"])

    @router.get("/health", summary="Is the process alive?")
    async def health(request: Request, response: Response) -> Health:
        """Answers as long as the process does."""
        response.headers.update(_NO_STORE)
        return Health(timestamp=clock.now(), version=version or request.app.version)

    @router.get("/ready", summary="May requests be sent here?", responses=raises(ServiceUnavailableError))
    async def ready(response: Response) -> Readiness:
        """Answers 503 while something is missing that the service cannot work without."""
        failing = [result for result in await runner.run() if result.outcome != "pass"]
        names = [result.name for result in failing]
        if any(result.critical for result in failing):
            detail = f"Service not ready: {', '.join(names)}."
            raise ServiceUnavailableError(detail, headers=_NO_STORE, extensions={"failing": names})
        response.headers.update(_NO_STORE)
        return Readiness(failing=names)

    return router
