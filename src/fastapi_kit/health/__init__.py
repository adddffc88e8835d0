"""Tell orchestrators and load balancers how the service is.

- `health_router`: `GET /health` and `GET /ready`.
- `Check`: a question to something that the service depends on, with a timeout.
- `CheckRunner`: runs checks in parallel without HTTP and gives a `CheckResult` for each.
"""

from fastapi_kit.health._checks import Check, CheckResult, CheckRunner
from fastapi_kit.health._router import health_router

__all__ = ["Check", "CheckResult", "CheckRunner", "health_router"]
