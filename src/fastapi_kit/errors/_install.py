"""Putting an application's errors into one shape."""

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.errors._answer import Answers, Render
from fastapi_kit.errors._body_limit import BodyLimitMiddleware
from fastapi_kit.errors._boundary import ANSWERED, ErrorBoundaryMiddleware
from fastapi_kit.errors._meaning import Translations
from fastapi_kit.errors._openapi import with_declared_errors


def install(  # noqa: PLR0913 - each way in which answers differ, by its name
    app: FastAPI,
    render: Render = "problem",
    max_errors: int = 20,
    *,
    translate: Translations = MappingProxyType({}),
    type_base: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Answer every error of `app` in one shape, and say so in its OpenAPI document.

    Covers problems, `HTTPException`s, failed validation, unknown paths (404) and methods (405, with all that are
    allowed), body limits (413), groups of exceptions, and exceptions nobody handled (500, without a word of them, and
    raised again for the server to log); and websockets, as `ErrorBoundaryMiddleware` says.

    Middleware added before this call is inside the boundary: what it raises is answered and ends there. Middleware
    added after is outside: the answers carry its headers, and what it raises itself is answered last, without those
    headers, and logged. So add what may raise first, then call this, then add CORS and the request context.

    A limit given as `FastAPI(max_body_size=...)` would answer outside all middleware, as plain text; it is moved
    inside the boundary and holds for the routes and the middleware inside. Handlers that you add afterwards take
    precedence. A mounted application has errors of its own: install there too.

    Args:
        app: The application, before it serves its first request.
        render: `"problem"` for RFC 9457, `"legacy"` for `{"error", "detail", "timestamp"}`.
        max_errors: How many errors of a failed validation are shown; the answer says how many there were.
        translate: What exceptions of other libraries mean, as in `Answers`.
        type_base: What stands before the name of a problem type in `type`, as in `Answers`.
        clock: Gives the timestamp of legacy bodies.

    Raises:
        RuntimeError: The application has already started, or has its errors installed.
        ValueError: An argument is out of range.
    """
    answers = Answers(render, max_errors, translate, type_base, clock)
    _check(app)
    on_http = _http_handler(answers)
    app.add_exception_handler(HTTPException, _either(on_http))
    app.add_exception_handler(RequestValidationError, on_http)
    app.add_exception_handler(WebSocketRequestValidationError, _pass_on)
    app.add_exception_handler(Exception, _last_resort(answers))
    _add_boundaries(app, answers)
    with_declared_errors(app, render, type_base)


def _check(app: FastAPI) -> None:
    if app.middleware_stack is not None:
        raise RuntimeError("install(app) came after the first request: call it where the application is made")
    innermost: object = app.user_middleware[-1].cls if app.user_middleware else None
    if innermost is ErrorBoundaryMiddleware:
        raise RuntimeError("install(app) was called before: call it once per application")


def _add_boundaries(app: FastAPI, answers: Answers) -> None:
    limit, app.max_body_size = app.max_body_size, None
    if app.user_middleware:
        app.add_middleware(ErrorBoundaryMiddleware, answers=answers)  # around those that are there already
    if limit is not None:
        app.add_middleware(BodyLimitMiddleware, max_body_size=limit, answers=answers)
    app.user_middleware.append(Middleware(ErrorBoundaryMiddleware, answers=answers))  # inside all, now and later


_HttpHandler = Callable[[Request, Exception], Awaitable[Response]]


def _http_handler(answers: Answers) -> _HttpHandler:
    async def answer(request: Request, exc: Exception) -> Response:
        return answers.response(exc, request.scope)

    return answer


_ALREADY_ANSWERED = Response()


def _last_resort(answers: Answers) -> _HttpHandler:
    """A handler for what came through all middleware: Starlette asks it for an answer even if there was one."""

    async def answer(request: Request, exc: Exception) -> Response:
        return _ALREADY_ANSWERED if ANSWERED in request.scope else answers.response(exc, request.scope)

    return answer


async def _pass_on(_websocket: WebSocket, exc: Exception) -> None:
    """Leave it to the boundary, which knows how far the websocket has come."""
    raise exc


def _either(on_http: _HttpHandler) -> Any:
    """A handler for exceptions that both kinds of connections raise: Starlette gives it the connection it has."""

    async def answer(connection: Request | WebSocket, exc: Exception) -> Response | None:
        if isinstance(connection, WebSocket):
            await _pass_on(connection, exc)
            return None
        return await on_http(connection, exc)

    return answer
