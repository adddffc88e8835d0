"""The limits of a whole app, asked before an endpoint is called."""

import inspect

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit.ratelimit._refusal import Refusal
from fastapi_kit.ratelimit._table import RouteTable
from fastapi_kit.ratelimit.slowapi._slowapi import RateLimitExceeded


class SlowAPIMiddleware:
    """Applies `default_limits` and `application_limits` of `app.state.limiter`, also on included and mounted routes.

    Pure ASGI under both of slowapi's names: streams are not held up.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._refusal = Refusal()
        self._table: RouteTable | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, if the limits allow it."""
        if scope["type"] != "http" or not scope["app"].state.limiter.enabled:
            await self.app(scope, receive, send)
            return
        self._table = self._table or RouteTable(scope["app"].routes)
        place, request = self._table.find(scope), Request(scope, receive)
        try:
            if place is not None:
                await request.app.state.limiter.check_app(request, place.endpoint)
        except RateLimitExceeded as error:
            await (await _answer(request, error))(scope, receive, send)
        except HTTPException as error:
            await self._refusal.answer(error, scope, receive, send)
        else:
            await self.app(scope, receive, _sender(request, send))


def rate_limit_exceeded_handler(_request: Request, exc: RateLimitExceeded) -> Response:
    """Answer a request that is refused as slowapi does, with the fields of its limits."""
    return JSONResponse({"error": f"Rate limit exceeded: {exc.detail}"}, status_code=429, headers=exc.headers)


async def _answer(request: Request, error: RateLimitExceeded) -> Response:
    """What the app's own handler answers, if it has one."""
    handler = request.app.exception_handlers.get(RateLimitExceeded, rate_limit_exceeded_handler)
    answer = handler(request, error)
    response: Response = await answer if inspect.isawaitable(answer) else answer
    return response


def _sender(request: Request, send: Send) -> Send:
    async def with_fields(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(getattr(request.state, "view_rate_limit", None) or {})
        await send(message)

    return with_fields
