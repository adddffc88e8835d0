"""What clients are told: the plain form, and `application/health+json`.

The latter is draft-inadarei-api-health-check-06: `pass` and `warn` go with a 2xx status, `fail` with a 5xx. Names and
statuses are for everybody; times, measurements and the classes of errors are details.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from fastapi_kit.health._checks import CheckResult

MEDIA_TYPE = "application/health+json"

Status = Literal["pass", "warn", "fail"]


class Health(BaseModel):
    """The process is alive."""

    status: Literal["healthy"] = "healthy"
    timestamp: datetime
    version: str


class Readiness(BaseModel):
    """The service can do its work, or most of it."""

    status: Literal["ready", "degraded"]
    failing: list[str] = Field(description="Names of the checks that fail and are not critical.")


class CheckReport(BaseModel):
    """One check."""

    status: Status
    time: datetime | None = Field(default=None, description="When it was made.")
    output: str | None = Field(default=None, description="Why it does not pass: `timeout` or the class of an error.")
    observedValue: float | None = None  # noqa: N815 - the draft's name
    observedUnit: str | None = None  # noqa: N815
    critical: bool | None = None
    seconds: float | None = Field(default=None, description="How long it took.")


class HealthReport(BaseModel):
    """How the service is (draft-inadarei-api-health-check)."""

    status: Status
    releaseId: str = Field(description="The version of the service.")  # noqa: N815
    output: str | None = Field(default=None, description="Why the service fails as a whole.")
    checks: dict[str, list[CheckReport]] | None = None


def status_of(results: Sequence[CheckResult]) -> Status:
    """`fail` if a critical check does not pass, `warn` if another one does not."""
    failing = [result for result in results if result.outcome != "pass"]
    if any(result.critical for result in failing):
        return "fail"
    return "warn" if failing else "pass"


def terse(results: Sequence[CheckResult], version: str) -> HealthReport:
    """What everybody may know: which checks do not pass."""
    failing = {result.name: [CheckReport(status=_status(result))] for result in results if result.outcome != "pass"}
    return HealthReport(status=status_of(results), releaseId=version, checks=failing or None)


def detailed(results: Sequence[CheckResult], version: str) -> HealthReport:
    """Everything about all checks, but no message of an error."""
    checks = {result.name: [_details(result)] for result in results}
    return HealthReport(status=status_of(results), releaseId=version, checks=checks)


def _status(result: CheckResult) -> Status:
    return "pass" if result.outcome == "pass" else "fail" if result.critical else "warn"


def _details(result: CheckResult) -> CheckReport:
    return CheckReport(
        status=_status(result),
        time=result.at,
        output="timeout" if result.outcome == "timeout" else result.error,
        observedValue=result.measured.value if result.measured else None,
        observedUnit=result.measured.unit if result.measured else None,
        critical=result.critical,
        seconds=round(result.seconds, 6),
    )
