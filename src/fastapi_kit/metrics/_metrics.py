"""The metrics of one app: observed, sampled, exposed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from fastapi import APIRouter, Request, Response
from fastapi.params import Depends
from starlette.applications import Starlette

from fastapi_kit._exchange import ExchangeKind, Observed
from fastapi_kit.metrics._exchanges import ExchangeMetrics
from fastapi_kit.metrics._pools import PoolMetrics, PoolUsage
from fastapi_kit.metrics._processes import directory_of_values, forget_the_dead
from fastapi_kit.metrics._prometheus import (
    REGISTRY,
    Collector,
    CollectorRegistry,
    Metric,
    openmetrics_text,
    prometheus_text,
    values_of_all_processes,
)

DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, in seconds, of the durations that are told apart."""

_OPENMETRICS = "application/openmetrics-text"
_SAMPLED_EVERY = 1.0
"""Seconds between two samples of the pools, where another process may be asked for them."""


class Metrics:
    """The metrics of an app, for Prometheus.

    It is an observer of exchanges, for `MetricsMiddleware` or `RequestContextMiddleware(observers=[...])`. The metrics
    are its own, so that several apps in one process do not meet:

    | metric | labels |
    |---|---|
    | `http_requests_total` | `method`, `route`, `status`, `outcome` |
    | `http_request_duration_seconds` (histogram) | `method`, `route` |
    | `http_response_bytes_total` | `method`, `route` |
    | `http_requests_in_progress` | |
    | `websocket_sessions_total` | `route`, `status`, `outcome` |
    | `websocket_session_duration_seconds` (histogram) | `route` |
    | `websocket_sessions_in_progress` | |
    | `db_pool_size`, `db_pool_in_use`, `db_pool_waiting` | `pool` |

    With `PROMETHEUS_MULTIPROC_DIR` set before the process starts, the exposition is that of all processes together.

    Args:
        path: Where `router` serves them.
        dependencies: Of that route: who may see them. Everybody, if you give none.
        buckets: Upper bounds, in seconds, of the durations of requests that are told apart.
        registry: Whose metrics are exposed besides these: by default the one that metrics of your own are registered
            with if you say nothing, and Python's and the process's are.

    Raises:
        ValueError: `PROMETHEUS_MULTIPROC_DIR` is no directory.
    """

    def __init__(
        self,
        *,
        path: str = "/metrics",
        dependencies: Sequence[Depends] = (),
        buckets: Sequence[float] = DURATIONS,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self.path = path
        self._dependencies = dependencies
        self._directory = directory_of_values()
        own = CollectorRegistry()
        self._exchanges = ExchangeMetrics(own, buckets)
        self._pools = PoolMetrics(own)
        self._shown = [own, registry]

    def started(self, kind: ExchangeKind) -> None:
        """Count an exchange that has begun."""
        self._exchanges.started(kind)

    def ended(self, exchange: Observed) -> None:
        """Count and time an exchange that has ended."""
        self._exchanges.ended(exchange)

    def watch_pool(self, name: str, usage: Callable[[], PoolUsage]) -> None:
        """Show how full a pool is: `metrics.watch_pool("main", database.pool_usage)`.

        Args:
            name: The value of the label `pool`.
            usage: Tells what holds now, without waiting; called from any thread.

        Raises:
            ValueError: Another pool has this name.
        """
        self._pools.watch(name, usage)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics as they are now, and the media type that this text has.

        It takes milliseconds, more with several processes: call it in a thread.

        Args:
            accept: The scraper's `Accept` header: OpenMetrics if that is named in it, else Prometheus' own text.
        """
        self._pools.sample()
        collector = self._collector()
        return (openmetrics_text if _OPENMETRICS in accept.lower() else prometheus_text)(collector)

    def router(self) -> APIRouter:
        """A router with the exposition; it is not part of the OpenAPI document."""
        router = APIRouter(include_in_schema=False)

        @router.get(self.path, dependencies=self._dependencies)
        def expose(request: Request) -> Response:  # not async: it runs in a thread
            body, media_type = self.exposition(",".join(request.headers.getlist("accept")))
            return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

        return router

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[None]:  # noqa: ARG002 - a resource is called with the app
        """The lifespan resource: keeps the pools of this process up to date, where another one may be scraped."""
        if self._directory is None:
            yield
            return
        sampling = asyncio.create_task(self._sample_forever())
        try:
            yield
        finally:
            sampling.cancel()
            with suppress(asyncio.CancelledError):
                await sampling

    async def _sample_forever(self) -> None:
        while True:
            self._pools.sample()
            await asyncio.sleep(_SAMPLED_EVERY)

    def _collector(self) -> Collector:
        if self._directory is None:
            return _Together(self._shown)
        forget_the_dead(self._directory)
        return values_of_all_processes(str(self._directory))


class _Together:
    """Several registries as one."""

    def __init__(self, registries: Iterable[CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[Metric]:
        for registry in self._registries:
            yield from registry.collect()
