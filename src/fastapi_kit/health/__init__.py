"""Tell orchestrators and load balancers how the service is, and end it without losing a request.

- `health_router`: `GET /health`, `GET /ready`, further groups of checks, and details for those who may see them.
  `HealthOptions` are what `create_app` takes for it.
- `Check`: a question to something that the service depends on, with a timeout; `check` makes one of a function,
  `disk_space` is one. A check may return a `Measured`.
- `CheckRunner`: runs checks in parallel without HTTP and gives a `CheckResult` for each.
- `Shutdown`: draining after SIGTERM, and the event that ends streams; `ShutdownDep` gives it to endpoints.
  `DrainingMiddleware` closes kept-alive connections meanwhile.
"""

from fastapi_kit.health._checks import Check, CheckResult, Measured, check
from fastapi_kit.health._disk import disk_space
from fastapi_kit.health._middleware import DrainingMiddleware
from fastapi_kit.health._router import HealthOptions, health_router
from fastapi_kit.health._runner import CheckRunner
from fastapi_kit.health._shutdown import NoShutdownError, Shutdown, ShutdownDep

__all__ = [
    "Check",
    "CheckResult",
    "CheckRunner",
    "DrainingMiddleware",
    "HealthOptions",
    "Measured",
    "NoShutdownError",
    "Shutdown",
    "ShutdownDep",
    "check",
    "disk_space",
    "health_router",
]
