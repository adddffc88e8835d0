"""A request through an app whose logs and metrics share one layer, or have one each."""

import io
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from benchmarks._driver import Call, running
from benchmarks._work import Repeated, sending
from fastapi_kit.logs import Observer, RequestContextMiddleware, configure
from fastapi_kit.metrics import Metrics, MetricsMiddleware

ITEM = Call("GET", "/items/7")


@asynccontextmanager
async def layers() -> AsyncGenerator[Mapping[str, Repeated]]:
    """The access event is made and written to memory in all of them."""
    configure("info", "json", stream=io.StringIO())
    async with AsyncExitStack() as stack:
        contenders: dict[str, Repeated] = {}
        for name, app in {
            "one layer for both": _app(observers=[_metrics()]),
            "a layer each": _app(outside=_metrics()),
            "no metrics": _app(),
        }.items():
            server = await stack.enter_async_context(running(app))
            contenders[name] = await sending(server, ITEM)
        yield contenders


def _metrics() -> Metrics:
    return Metrics(registry=CollectorRegistry())


def _app(observers: list[Observer] | None = None, outside: Metrics | None = None) -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        return item

    app.add_middleware(RequestContextMiddleware, observers=observers or [])
    if outside is not None:
        app.add_middleware(MetricsMiddleware, observer=outside)
    return app
