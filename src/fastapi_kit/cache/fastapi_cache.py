"""fastapi-cache2 on the stores of the kit; needs the extra `cache`.

Code that says `@cache(expire=300)` changes its import line:

    from fastapi_kit.cache.fastapi_cache import FastAPICache, RedisBackend, cache

Theory of operation. Of an endpoint, `cache` stores what `cached` does: the rendered answer, for its user. Of any other
function it is fastapi-cache2's own decorator, which stores the result as the coder writes it. The layer in which
answers are seen as they are sent is not known to code that is written for fastapi-cache2. Without it a route whose
answer is to be stored is run once more inside of itself, where what it sends is seen; with it, it need not be:

    kit_cache = Cache()
    FastAPICache.init(KitBackend(kit_cache))
    app.add_middleware(CacheMiddleware, cache=kit_cache)
"""

import inspect
import os
from collections.abc import Callable, Sequence
from functools import wraps
from hashlib import blake2b
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic_core import PydanticSerializationError, to_json
from starlette.types import Message

from fastapi_kit._principal import UnknownUserError
from fastapi_kit.cache._decorator import Seam, awaitable, exchange_of
from fastapi_kit.cache._exchange import EXCHANGE, CacheExchange, GivenResponse
from fastapi_kit.cache._key import headers_of, key_of
from fastapi_kit.cache._middleware import CacheMiddleware
from fastapi_kit.cache._policy import CachePolicy

try:
    from fastapi_cache import FastAPICache
    from fastapi_cache.coder import Coder, JsonCoder, PickleCoder
    from fastapi_cache.decorator import cache as _theirs
    from fastapi_cache.key_builder import default_key_builder

    from fastapi_kit.cache._backend import InMemoryBackend, KitBackend, RedisBackend
except ImportError as error:  # pragma: no cover - the extra is installed where tests run
    raise ImportError(
        "fastapi_kit.cache.fastapi_cache needs fastapi-cache2: pip install 'fastapi-kit[cache]'"
    ) from error

__all__ = [
    "Coder",
    "FastAPICache",
    "InMemoryBackend",
    "JsonCoder",
    "KitBackend",
    "PickleCoder",
    "RedisBackend",
    "cache",
    "user_key_builder",
]

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULT_EXPIRE = 86_400
"""Seconds, where neither the decorator nor `FastAPICache.init` says any."""

_ANY_USER = CachePolicy(1)


def cache(
    expire: int | None = None,
    coder: type[Coder] | None = None,
    key_builder: Callable[..., Any] | None = None,
    namespace: str = "",
    injected_dependency_namespace: str = "__fastapi_cache",
) -> Callable[[F], F]:
    """fastapi-cache2's decorator, with its arguments.

    On an endpoint: the answer is stored as it is sent, so no coder is needed, and only requests that say the same of
    who makes them share it, also under a `key_builder` of the app's own. On any other function: as ever, by the
    backend.

    Args:
        expire: Seconds; by default those of `FastAPICache.init`, or a day.
        coder: Of the results of functions.
        key_builder: Says in place of path and query what tells two answers apart.
        namespace: What `FastAPICache.clear` forgets by.
        injected_dependency_namespace: As in fastapi-cache2, of functions.
    """

    def decorate(function: F) -> F:
        called = awaitable(function)
        values = _theirs(expire, coder, key_builder or _safe_key, namespace, injected_dependency_namespace)(function)
        seam = Seam(function)

        @wraps(function)
        async def looked_up(*arguments: Any, **named: Any) -> Any:
            request = seam.request(arguments, named)
            if request is None:
                return await values(*arguments, **named)
            if not FastAPICache.get_enable():
                return await called(*arguments, **named)
            name = await _name(function, key_builder, namespace, request, named)
            policy = CachePolicy(expire or FastAPICache.get_expire() or _DEFAULT_EXPIRE, tags=_tags(namespace))
            answer = await _look_up(policy, name, request, by_path=key_builder is None)
            return await called(*arguments, **named) if answer is None else answer

        seam.join(looked_up)
        return looked_up  # type: ignore[return-value] # the same to FastAPI, which awaits either

    return decorate


async def _name(
    function: Callable[..., Any],
    key_builder: Callable[..., Any] | None,
    namespace: str,
    request: Request,
    named: dict[str, Any],
) -> str:
    """What tells the answers of a function apart, besides path, query and user."""
    own = f"{function.__module__}.{function.__qualname__}"
    if key_builder is None:
        return own
    prefix = f"{FastAPICache.get_prefix()}:{namespace}"
    built = key_builder(function, prefix, request=request, response=Response(), args=(), kwargs=named)
    return f"{own} {await built if inspect.isawaitable(built) else built}"


def _tags(namespace: str) -> Sequence[str]:
    prefix = FastAPICache.get_prefix()
    return [prefix, f"{prefix}:{namespace}"]


async def _look_up(policy: CachePolicy, name: str, request: Request, *, by_path: bool) -> Response | None:
    """The answer, or `None` if the endpoint has to make it."""
    backend, route = FastAPICache.get_backend(), request.scope.get("route")
    if EXCHANGE in request.scope or not isinstance(backend, KitBackend) or route is None:
        exchange = exchange_of(request)
        answer = await exchange.look_up(policy, name, request, by_path=by_path)
    else:
        layer = CacheMiddleware(route.app, cache=backend.cache)
        exchange = layer.exchange(request.scope)
        answer = await exchange.look_up(policy, name, request, by_path=by_path)
        if exchange.claim is not None:
            answer = await _recorded(layer, exchange, request)
    if answer is not None and exchange.given:
        answer.raw_headers.append((FastAPICache.get_cache_status_header().lower().encode(), b"HIT"))
    return answer


async def _recorded(layer: CacheMiddleware, exchange: CacheExchange, request: Request) -> Response:
    """The answer of the route, run once more inside of the layer."""
    sent: list[Message] = []

    async def collect(message: Message) -> None:
        sent.append(message)

    await layer.run({**request.scope}, request.receive, collect, exchange)
    body = b"".join([message.get("body", b"") for message in sent])
    return GivenResponse(sent[0]["status"], sent[0]["headers"], body)


def user_key_builder(  # noqa: PLR0913 - as all key builders
    func: Callable[..., Any],
    namespace: str = "",
    *,
    request: Request | None = None,
    response: Response | None = None,  # noqa: ARG001 - given to all key builders
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> str:
    """The key builder in place of fastapi-cache2's own: by user, path and query of a request, else by the arguments.

    What may not be shared, and arguments that are not data (a session, say), get a key that is never used again.
    """
    name = f"{func.__module__}.{func.__qualname__}"
    try:
        if request is not None:
            return f"{namespace}:{key_of(_ANY_USER, name, request.scope, headers_of(request.scope['headers']))}"
        given = [*args, *sorted((kwargs or {}).items())]
        data = to_json([name, [[type(value).__qualname__, value] for value in given]])
    except (UnknownUserError, PydanticSerializationError):
        data = os.urandom(16)
    return f"{namespace}:{blake2b(data, digest_size=16).hexdigest()}"


def _safe_key(func: Callable[..., Any], namespace: str = "", **given: Any) -> Any:
    """What the app's key builder says; that of fastapi-cache2, which makes keys of addresses, is not used."""
    chosen: Any = FastAPICache.get_key_builder()
    return (user_key_builder if chosen is default_key_builder else chosen)(func, namespace, **given)
