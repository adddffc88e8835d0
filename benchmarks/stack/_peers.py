"""Other people's middleware, added as its documentation shows."""

# The peers are not installed where types are checked.
# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator


def instrument(app: FastAPI) -> None:
    """Metrics by prometheus-fastapi-instrumentator, in a registry of the app's own."""
    Instrumentator(registry=CollectorRegistry()).instrument(app)


def correlate(app: FastAPI) -> None:
    """A request id by asgi-correlation-id."""
    app.add_middleware(CorrelationIdMiddleware)
