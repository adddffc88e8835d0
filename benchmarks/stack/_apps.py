"""The same endpoint in apps that differ in what is around it."""

import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import TextIO

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware

from benchmarks._driver import Call
from fastapi_kit.app import create_app
from fastapi_kit.logs import RequestContextMiddleware, configure
from fastapi_kit.metrics import Metrics
from fastapi_kit.security import API_HEADERS
from fastapi_kit.settings import Settings

from ._peers import correlate, instrument

ORIGIN = "https://app.bench.test"
CALL = Call("GET", "/things/7", headers=((b"origin", ORIGIN.encode()), (b"accept-encoding", b"gzip, deflate")))
"""What a browser sends from a page of another origin."""

Next = Callable[[Request], Awaitable[Response]]
Make = Callable[[TextIO], FastAPI]
"""Makes an app that writes its log, if it has one, to a stream."""


def bare(_log: TextIO) -> FastAPI:
    """FastAPI, and nothing around the endpoint."""
    return _with_endpoint(FastAPI())


def ours(log: TextIO) -> FastAPI:
    """`create_app` with everything that it can have around an endpoint but hosts and proxies."""
    app = create_app(Settings(cors_origins=(ORIGIN,)), metrics=Metrics())
    configure("INFO", "json", stream=log)
    return _with_endpoint(app)


def ours_alone(log: TextIO) -> FastAPI:
    """The request context alone: an id, and the access event."""
    configure("INFO", "json", stream=log)
    app = _with_endpoint(FastAPI())
    app.add_middleware(RequestContextMiddleware)
    return app


def tutorial(log: TextIO) -> FastAPI:
    """Three functions as middleware, for id, log and headers, with CORS, GZip and the instrumentator."""
    app = _with_endpoint(FastAPI())
    instrument(app)
    logger = _logger(log)
    app.add_middleware(GZipMiddleware, minimum_size=1_000)
    app.add_middleware(CORSMiddleware, allow_origins=[ORIGIN])

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        for name, value in API_HEADERS.items():
            response.headers[name] = value
        return response

    @app.middleware("http")
    async def log_request(request: Request, call_next: Next) -> Response:
        started = time.perf_counter()
        response = await call_next(request)
        line = {
            "method": request.method,
            "url": request.url.path,
            "status_code": response.status_code,
            "duration": time.perf_counter() - started,
            "user_agent": request.headers.get("user-agent"),
            "request_id": request.state.request_id,
        }
        logger.info(json.dumps(line))
        return response

    @app.middleware("http")
    async def add_id(request: Request, call_next: Next) -> Response:
        request.state.request_id = request.headers.get("x-request-id") or str(uuid.uuid4())
        response = await call_next(request)
        response.headers["x-request-id"] = request.state.request_id
        return response

    return app


def correlation(_log: TextIO) -> FastAPI:
    """asgi-correlation-id and the instrumentator: an id and metrics, and no log of requests."""
    app = _with_endpoint(FastAPI())
    instrument(app)
    correlate(app)
    return app


APPS: Mapping[str, Make] = {
    "bare": bare,
    "ours": ours,
    "ours alone": ours_alone,
    "tutorial": tutorial,
    "correlation-id + instrumentator": correlation,
}


def _with_endpoint(app: FastAPI) -> FastAPI:
    @app.get("/things/{thing_id}")
    async def read(thing_id: int) -> dict[str, int | str]:
        return {"id": thing_id, "name": "thing"}

    return app


def _logger(log: TextIO) -> logging.Logger:
    """One that writes messages as they are, and nowhere else."""
    logger = logging.Logger("tutorial", logging.INFO)  # noqa: LOG001 - not one that others can set up
    logger.addHandler(logging.StreamHandler(log))
    return logger
