"""`cached`: what a route says of its answers, and where a stored one is given instead."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial, wraps
from typing import Any, TypeVar, cast, get_type_hints

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
        called = awaitable(endpoint)
        name = f"{endpoint.__module__}.{endpoint.__qualname__}"
        route = Seam(endpoint)

        @wraps(endpoint)
        async def looked_up(*arguments: Any, **named: Any) -> Any:
            request = route.request(arguments, named)
            if request is None:  # called by the app's own code, not by a route
                return await called(*arguments, **named)
            exchange = exchange_of(request)
            exchange.front.remember(looked_up, policy, name, request.scope)
            answer = await exchange.look_up(policy, name, request)
            return await called(*arguments, **named) if answer is None else answer

        route.join(looked_up)
        return looked_up  # type: ignore[return-value] # the same to FastAPI, which awaits either

    return decorate


def awaitable(endpoint: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """The endpoint, in a thread if it would block, as FastAPI does."""
    return endpoint if inspect.iscoroutinefunction(endpoint) else partial(run_in_threadpool, endpoint)


def exchange_of(request: Request) -> CacheExchange:
    """What the layer has left in the request.

    Raises:
        NoCacheError: There is none.
    """
    exchange: CacheExchange | None = request.scope.get(EXCHANGE)
    if exchange is None:
        raise NoCacheError("a cached endpoint needs the layer: app.add_middleware(CacheMiddleware, cache=cache)")
    return exchange


class Seam:
    """How a wrapper of an endpoint gets the request: by the endpoint's own parameter, by one more, or by an argument.

    FastAPI fills no second parameter with the request.
    """

    def __init__(self, endpoint: Callable[..., Any]) -> None:
        self._signature = inspect.signature(endpoint)
        self._own = _request_parameter(endpoint)

    def request(self, arguments: Sequence[Any], named: dict[str, Any]) -> Request | None:
        """The request of a call, taken out of what is not the endpoint's; `None` where no route has called."""
        given: Any = named.get(self._own) if self._own else named.pop(_REQUEST, None)
        if given is None and arguments:
            first = arguments[0]
            given = getattr(first, "request", first)  # of a context, or it is the request itself
        return cast("Request", given) if isinstance(given, Request) else None

    def join(self, wrapper: Callable[..., Any]) -> None:
        """Let FastAPI see the endpoint's parameters on the wrapper, and one for the request."""
        parameters = list(self._signature.parameters.values())
        if self._own is None:
            parameters.append(inspect.Parameter(_REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=Request))
        wrapper.__signature__ = self._signature.replace(parameters=parameters)  # type: ignore[attr-defined]


def _request_parameter(endpoint: Callable[..., Any]) -> str | None:
    try:
        hints = get_type_hints(endpoint)
    except NameError:  # one that only type checkers know; FastAPI has its say about it
        hints = getattr(endpoint, "__annotations__", {})
    for name, annotation in hints.items():
        if name != "return" and isinstance(annotation, type) and issubclass(annotation, Request):
            return name
    return None
