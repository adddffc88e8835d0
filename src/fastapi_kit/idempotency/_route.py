"""Routes that take keys: what FastAPI calls in place of an endpoint, and where its answer is known.

FastAPI renders the answer in the route's handler, after the endpoint and before the session's commit.
"""

import inspect
from collections.abc import Callable, Coroutine, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from fastapi_kit._asgi import header
from fastapi_kit.db import get_session
from fastapi_kit.errors import BadRequestError, ConflictError, raises
from fastapi_kit.idempotency._attempt import ATTEMPT, Attempt
from fastapi_kit.idempotency._request import HEADER

if TYPE_CHECKING:
    from fastapi_kit.idempotency._idempotency import Idempotency

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing, and take no key (RFC 9110, section 9.2.1)."""

_REQUEST = "fastapi_kit_idempotency_request"
_SESSION = "fastapi_kit_idempotency_session"

_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names this attempt. A retry with the same key and content gets the answer of the first one.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 257,
        "pattern": r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
    },
}


def idempotent_route(idempotency: "Idempotency") -> type[APIRoute]:
    """The class of routes that carry requests out by `idempotency`."""

    class IdempotentRoute(APIRoute):
        """A route that takes keys, unless its methods are safe."""

        def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
            methods: Sequence[str] = list(options.get("methods") or ["GET"])
            self._takes_keys = not SAFE.issuperset(method.upper() for method in methods)
            if self._takes_keys:
                endpoint = _once(idempotency, endpoint)
                options = _documented(options)
            super().__init__(path, endpoint, **options)

        def get_route_handler(self) -> Handler:
            """FastAPI's own, around which a body is kept to be read twice, and the answer to be given twice."""
            handler = super().get_route_handler()
            return partial(_handle, idempotency, handler) if self._takes_keys else handler

    return IdempotentRoute


async def _handle(idempotency: "Idempotency", handler: Handler, request: Request) -> Response:
    if header(request.scope["headers"], HEADER) is None:
        return await handler(request)
    await request.body()  # a form could not be read again otherwise
    try:
        response = await handler(request)
    except BaseException:
        attempt: Attempt | None = request.scope.pop(ATTEMPT, None)
        if attempt is not None:
            await attempt.abandon()  # the answer could not be rendered
        raise
    attempt = request.scope.pop(ATTEMPT, None)
    return response if attempt is None else await idempotency.finish(request, attempt, response)


def _once(idempotency: "Idempotency", endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint with its request, and the session if that is where the answer is kept."""
    called = endpoint if inspect.iscoroutinefunction(endpoint) else partial(run_in_threadpool, endpoint)
    signature = inspect.signature(endpoint, eval_str=True)
    own = next((name for name, given in signature.parameters.items() if given.annotation is Request), None)

    @wraps(endpoint)
    async def once(*arguments: Any, **named: Any) -> Any:
        request: Request = named[own] if own else named.pop(_REQUEST)
        named.pop(_SESSION, None)
        return await idempotency.run(request, partial(called, *arguments, **named))

    added = [] if own else [inspect.Parameter(_REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=Request)]
    if idempotency.in_transaction:
        needed = Annotated[AsyncSession, Depends(get_session, scope="function")]
        added.append(inspect.Parameter(_SESSION, inspect.Parameter.KEYWORD_ONLY, annotation=needed))
    once.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    return once


def _documented(options: dict[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = options.get("openapi_extra") or {}
    answers = raises(BadRequestError, ConflictError)
    return {
        **options,
        "responses": {**answers, **(options.get("responses") or {})},
        "openapi_extra": {**extra, "parameters": [*extra.get("parameters", ()), _PARAMETER]},
    }
