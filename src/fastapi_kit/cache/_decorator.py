"""`cached`: what a route says of its answers, and where a stored one is given instead."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial, wraps
from typing import Any, TypeVar, get_type_hints

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from fastapi_kit.cache._exchange import EXCHANGE, CacheExchange
from fastapi_kit.cache._policy import CachePolicy, Sharing

F = TypeVar("F", bound=Callable[..., Any])

_REQUEST = "fastapi_kit_cache_request"


class NoCacheError(RuntimeError):
    """The app has no `CacheMiddleware`."""


def cached(  # noqa: PLR0913 - a policy, each part by its name
    ttl: float,
    *,
    stale_while_revalidate: float = 0.0,
    scope: Sharing = "user",
    tags: Sequence[str] | Callable[[Request], Iterable[str]] = (),
    vary: Sequence[str] = (),
    max_age: int = 0,
) -> Callable[[F], F]:
    """Give the stored answer in place of calling the endpoint, and store what it answers.

    Between the decorator of the route and the endpoint:

        @app.get("/books")
        @cached(60, tags=["book"])
        async def books() -> list[BookRead]: ...

    All dependencies of the route run first, so whoever may not call it is refused as ever. What is stored are the bytes
    of the response, when its model has been applied and its session committed. Works on whatever has a `request` as its
    first argument, too, such as an override of a `CRUDRouter`.

    Takes what `CachePolicy` does.

    Raises:
        ValueError: The policy is impossible.
        TypeError: The endpoint is a generator: a stream of events has no answer to store.
    """
    policy = CachePolicy(ttl, stale_while_revalidate, scope, tags, vary, max_age)

    def decorate(endpoint: F) -> F:
        if inspect.isgeneratorfunction(endpoint) or inspect.isasyncgenfunction(endpoint):
            raise TypeError(f"{endpoint.__qualname__} is a stream, which is not cached")
        called = endpoint if inspect.iscoroutinefunction(endpoint) else partial(run_in_threadpool, endpoint)
        name = f"{endpoint.__module__}.{endpoint.__qualname__}"
        own = _request_parameter(endpoint)

        @wraps(endpoint)
        async def looked_up(*arguments: Any, **named: Any) -> Any:
            request: Request | None = named.get(own) if own else named.pop(_REQUEST, None)
            request = request or _request_among(arguments)
            if request is None:  # called by the app's own code, not by a route
                return await called(*arguments, **named)
            exchange: CacheExchange | None = request.scope.get(EXCHANGE)
            if exchange is None:
                raise NoCacheError("cached() needs the cache's layer: app.add_middleware(CacheMiddleware, cache=cache)")
            answer = await exchange.look_up(policy, name, request)
            return await called(*arguments, **named) if answer is None else answer

        if own is None:
            looked_up.__signature__ = _with_request(inspect.signature(endpoint))  # type: ignore[attr-defined]
        return looked_up  # type: ignore[return-value] # the same to FastAPI, which awaits either

    return decorate


def _request_among(arguments: Sequence[Any]) -> Request | None:
    first = arguments[0] if arguments else None
    found = first if isinstance(first, Request) else getattr(first, "request", None)
    return found if isinstance(found, Request) else None


def _request_parameter(endpoint: Callable[..., Any]) -> str | None:
    """The name of the endpoint's own parameter for the request, as FastAPI fills no second one."""
    try:
        hints = get_type_hints(endpoint)
    except NameError:  # one that only type checkers know; FastAPI has its say about it
        hints = getattr(endpoint, "__annotations__", {})
    for name, annotation in hints.items():
        if name != "return" and isinstance(annotation, type) and issubclass(annotation, Request):
            return name
    return None


def _with_request(signature: inspect.Signature) -> inspect.Signature:
    """The signature with the request as one more parameter, for FastAPI to give."""
    request = inspect.Parameter(_REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    return signature.replace(parameters=[*signature.parameters.values(), request])
