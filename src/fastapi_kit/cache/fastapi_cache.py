"""fastapi-cache2 on the stores of the kit; needs the extra `cache`.

Code that says `@cache(expire=300)` changes its import line, and how the cache is set up:

    from fastapi_kit.cache.fastapi_cache import FastAPICache, KitBackend, cache, user_key_builder

    kit_cache = Cache()
    FastAPICache.init(KitBackend(kit_cache), key_builder=user_key_builder)
    app.add_middleware(CacheMiddleware, cache=kit_cache)

Theory of operation. Of an endpoint, `cache` stores what `cached` does: the rendered answer, for its user. Of any other
function it is fastapi-cache2's own decorator, which stores the result as the coder writes it. That decorator asks a
backend for a value, calls the function if there is none, and sets the value; so `KitBackend` lets the first who asks
go, and the others wait until it has set the value, or its task has ended without.
"""

import asyncio
import inspect
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from hashlib import blake2b
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic_core import PydanticSerializationError, to_json

from fastapi_kit._principal import UnknownUserError
from fastapi_kit.cache._answer import StoredAnswer
from fastapi_kit.cache._cache import Cache
from fastapi_kit.cache._decorator import Seam, awaitable, exchange_of
from fastapi_kit.cache._key import headers_of, key_of
from fastapi_kit.cache._policy import CachePolicy
from fastapi_kit.cache._store import CacheUnavailableError, Claim

try:
    from fastapi_cache import FastAPICache
    from fastapi_cache.coder import Coder, JsonCoder, PickleCoder
    from fastapi_cache.decorator import cache as _theirs
    from fastapi_cache.types import Backend
except ImportError as error:  # pragma: no cover - the extra is installed where tests run
    raise ImportError(
        "fastapi_kit.cache.fastapi_cache needs fastapi-cache2: pip install 'fastapi-kit[cache]'"
    ) from error

__all__ = ["Coder", "FastAPICache", "JsonCoder", "KitBackend", "PickleCoder", "cache", "user_key_builder"]

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULT_EXPIRE = 86_400
"""Seconds, where neither the decorator nor `FastAPICache.init` says any."""

_ANY_USER = CachePolicy(1)
_TAG_PARTS = 2


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
        values = _theirs(expire, coder, key_builder, namespace, injected_dependency_namespace)(function)
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
            answer = await exchange_of(request).look_up(policy, name, request, by_path=key_builder is None)
            return await called(*arguments, **named) if answer is None else _marked(answer)

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


def _marked(answer: Response) -> Response:
    answer.raw_headers.append((FastAPICache.get_cache_status_header().lower().encode(), b"HIT"))
    return answer


def user_key_builder(  # noqa: PLR0913 - as all key builders
    func: Callable[..., Any],
    namespace: str = "",
    *,
    request: Request | None = None,
    response: Response | None = None,  # noqa: ARG001 - given to all key builders
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> str:
    """A key builder for `FastAPICache.init`: by user, path and query where there is a request, else by the arguments.

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


class KitBackend(Backend):
    """A backend of fastapi-cache2 on a `Cache`: bounded, with single flight, and quick to fail.

    Args:
        cache: The app's.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._claims: dict[str, tuple[Claim, asyncio.Task[Any] | None]] = {}

    async def get_with_ttl(self, key: str) -> tuple[int, bytes | None]:
        """The value and its seconds to live; of many who ask for one that is not there, one is let go to set it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._cache.lease
        try:
            while loop.time() < until:
                found = await self._read(key)
                if found is not None or await self._may_go(key, until):
                    return found or (0, None)
        except CacheUnavailableError:
            pass
        return 0, None

    async def get(self, key: str) -> bytes | None:
        """The value, without waiting for anybody."""
        try:
            found = await self._read(key)
        except CacheUnavailableError:
            return None
        return found and found[1]

    async def set(self, key: str, value: bytes, expire: int | None = None) -> None:
        """Store a value, and let those who wait have it."""
        try:
            claim = self._claims.pop(key, (None, None))[0] or await self._claim(key)
            if claim is not None:
                ttl = float(expire or _DEFAULT_EXPIRE)
                await self._cache.store.write(claim, StoredAnswer(200, (), value, self._cache.now(), ttl))
        except CacheUnavailableError:
            pass
        finally:
            self._cache.flights.land(key, "stored")

    async def clear(self, namespace: str | None = None, key: str | None = None) -> int:
        """Forget a namespace, or a key.

        Returns:
            0: how many values that were is not known.

        Raises:
            CacheUnavailableError: The store cannot be reached.
        """
        if key is not None:
            await self._cache.invalidate(f"key {key}")
        elif namespace:
            await self._cache.invalidate(namespace)
        return 0

    async def _read(self, key: str) -> tuple[int, bytes] | None:
        answer = await self._cache.store.read(_digest(key), _tags_in(key))
        if answer is None:
            return None
        left = answer.made_at + answer.ttl - self._cache.now()
        return (int(left), answer.body) if left > 0 else None

    async def _claim(self, key: str) -> Claim | None:
        return await self._cache.store.claim(_digest(key), _tags_in(key), self._cache.lease)

    async def _may_go(self, key: str, until: float) -> bool:
        """Whether the caller is to make the value; else it has waited for somebody, and looks again."""
        left = until - asyncio.get_running_loop().time()
        task = asyncio.current_task()
        if not self._cache.flights.board(key) and self._claims.get(key, (None, None))[1] is not task:
            return await self._cache.flights.wait(key, left) == "unstorable"
        claim: Claim | None = None
        try:
            claim = await self._claim(key)
            if claim is None and key not in self._claims:
                await asyncio.sleep(0.05)  # another process makes it
        finally:
            if claim is None and key not in self._claims:
                self._cache.flights.land(key, "lost")
        if claim is not None:
            self._claims[key] = claim, task
            if task is not None:
                task.add_done_callback(lambda _: self._ended(key, claim))
        return key in self._claims

    def _ended(self, key: str, claim: Claim) -> None:
        """The task that was to set the value is over: whoever waits may go, if it has not."""
        if self._claims.get(key, (None, None))[0] is claim:
            del self._claims[key]
            self._cache.flights.land(key, "unstorable")
            self._cache.refresh(f"release of {key}", self._release(claim))

    async def _release(self, claim: Claim) -> None:
        with suppress(CacheUnavailableError):  # it ends by itself then
            await self._cache.store.release(claim)


def _digest(key: str) -> str:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _tags_in(key: str) -> Sequence[str]:
    """The key itself, and the namespaces that it begins with: keys are `prefix:namespace:rest`."""
    parts = key.split(":", _TAG_PARTS)
    return [f"key {key}", *(":".join(parts[:end]) for end in range(1, len(parts)))]
