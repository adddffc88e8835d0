"""`/health`, `/ready` and what else orchestrators, load balancers and people ask."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request, Response, params
from fastapi.responses import JSONResponse

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.errors import ServiceUnavailableError, raises
from fastapi_kit.health._answers import MEDIA_TYPE, Health, HealthReport, Readiness, detailed, status_of, terse
from fastapi_kit.health._checks import READY, Check, CheckResult
from fastapi_kit.health._runner import CheckRunner
from fastapi_kit.health._shutdown import shutdown_in

Render = Literal["plain", "health+json"]

_NO_STORE = {"cache-control": "no-store"}
_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """What `create_app` passes on to `health_router`.

    Attributes:
        render: The form of the answers, as `health_router` takes it.
        details: Dependencies of `/health/details`, as `health_router` takes them.
    """

    render: Render = "plain"
    details: Sequence[params.Depends] | None = None


def health_router(
    checks: Iterable[Check] = (),
    *,
    version: str | None = None,
    render: Render = "plain",
    details: Sequence[params.Depends] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> APIRouter:
    """Make a router with the questions that are asked of a service from outside.

    - `GET /health` (is the process alive? else restart it) answers 200 at once and checks nothing: a restart does not
      mend a database.
    - `GET /ready` (may requests be sent here?) runs the checks of the group `ready` in parallel. It answers 200, or 503
      if a critical one fails or the service is draining (see `Shutdown`).
    - `GET /health/<group>` answers likewise for each other group that a check names, such as `startup`.
    - `GET /health/details` tells all of all checks, to those whom the `details` let in.

    The first three name the failing checks and tell no more; why they fail is in the log. No answer may be stored by a
    cache. HEAD works wherever GET does.

    Args:
        checks: What the service depends on.
        version: The version that answers give; by default the app's own.
        render: The form of the answers but the details: `plain`, or `application/health+json`, in which a 503 is no
            problem (RFC 9457). The details are always in the latter.
        details: Dependencies of `/health/details`, such as `[Depends(require_admin)]`; by default there is no such
            route.
        clock: Where time stamps come from.

    Raises:
        ValueError: If two checks have the same name, `details` is empty, or there is no such `render`.
    """
    if render not in {"plain", "health+json"}:
        raise ValueError(f'render={render!r}: choose "plain" or "health+json"')
    if details is not None and not details:
        raise ValueError("details=[] would show them to everyone: give a dependency that refuses, or leave it out.")
    runner = CheckRunner(checks, clock=clock)
    questions = (_Plain if render == "plain" else _HealthJSON)(runner, version, clock)
    router = APIRouter(tags=["health"])
    _add(router, "/health", questions.alive, "Is the process alive?")
    _add(router, "/ready", questions.asking(READY), "May requests be sent here?", **questions.declared)
    for group in sorted({group for check in runner.checks for group in check.groups} - {READY}):
        _add(router, f"/health/{group}", questions.asking(group), f"Do the checks pass: {group}?", **questions.declared)
    if details is not None:
        questions = _HealthJSON(runner, version, clock)
        _add(router, "/health/details", questions.details, "How is it?", dependencies=details, **questions.declared)
    return router


def _add(router: APIRouter, path: str, endpoint: Callable[..., Any], summary: str, **options: Any) -> None:
    name = path.strip("/").replace("/", "_").replace("-", "_")
    router.add_api_route(path, endpoint, methods=["GET"], summary=summary, name=name, **options)
    dependencies = options.get("dependencies")
    router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False, dependencies=dependencies)


class _Plain:
    """The form that hand-written services have: `{"status": "ready"}`, and problems."""

    declared: dict[str, Any] = {"responses": raises(ServiceUnavailableError)}  # noqa: RUF012

    def __init__(self, runner: CheckRunner, version: str | None, clock: Clock) -> None:
        self._runner = runner
        self._version = version
        self._clock = clock

    async def alive(self, request: Request, response: Response) -> Health:
        """Answers as long as the process does."""
        response.headers.update(_NO_STORE)
        return Health(timestamp=self._clock.now(), version=self._version or request.app.version)

    def asking(self, group: str) -> Callable[[Request, Response], Awaitable[Readiness]]:
        async def ask(request: Request, response: Response) -> Readiness:
            """Answers 503 while something is missing that the service cannot work without."""
            if group == READY and _draining(request):
                raise _not_ready("draining", [])
            results = await self._runner.run(group)
            status, failing = status_of(results), _failing(results)
            if status == "fail":
                raise _not_ready(", ".join(failing), failing)
            response.headers.update(_NO_STORE)
            return Readiness(status="ready" if status == "pass" else "degraded", failing=failing)

        return ask


class _HealthJSON:
    """The form of draft-inadarei-api-health-check."""

    declared: dict[str, Any] = {  # noqa: RUF012
        "response_model": HealthReport,
        "responses": {_UNAVAILABLE: {"model": HealthReport, "description": "Service Unavailable"}},
    }

    def __init__(self, runner: CheckRunner, version: str | None, _clock: Clock) -> None:
        self._runner = runner
        self._version = version

    async def alive(self, request: Request) -> "_HealthResponse":
        """Answers as long as the process does."""
        return _respond(HealthReport(status="pass", releaseId=self._release(request)))

    def asking(self, group: str) -> Callable[[Request], Awaitable["_HealthResponse"]]:
        async def ask(request: Request) -> _HealthResponse:
            """Answers 503 while something is missing that the service cannot work without."""
            release = self._release(request)
            if group == READY and _draining(request):
                return _respond(HealthReport(status="fail", releaseId=release, output="draining"))
            return _respond(terse(await self._runner.run(group), release))

        return ask

    async def details(self, request: Request) -> "_HealthResponse":
        """Everything about all checks."""
        return _respond(detailed(await self._runner.run(), self._release(request)))

    def _release(self, request: Request) -> str:
        release: str = self._version or request.app.version
        return release


class _HealthResponse(JSONResponse):
    media_type = MEDIA_TYPE


def _respond(report: HealthReport) -> _HealthResponse:
    status_code = _UNAVAILABLE if report.status == "fail" else 200
    return _HealthResponse(report.model_dump(mode="json", exclude_none=True), status_code, _NO_STORE)


def _draining(request: Request) -> bool:
    shutdown = shutdown_in(request.scope)
    return shutdown is not None and shutdown.draining


def _failing(results: Iterable[CheckResult]) -> list[str]:
    return [result.name for result in results if result.outcome != "pass"]


def _not_ready(why: str, failing: list[str]) -> ServiceUnavailableError:
    return ServiceUnavailableError(f"Service not ready: {why}.", headers=_NO_STORE, extensions={"failing": failing})
