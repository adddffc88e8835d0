"""`Limiter`: slowapi's decorators and limits of an app, counted in this room's stores."""

import functools
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from fastapi_kit.errors import ServiceUnavailableError
from fastapi_kit.ratelimit._headers import Note, Spelling
from fastapi_kit.ratelimit._keys import as_key, client_address
from fastapi_kit.ratelimit._limit import OnError, decide
from fastapi_kit.ratelimit._meter import Decision
from fastapi_kit.ratelimit._passage import passage_of
from fastapi_kit.ratelimit._refusal import refused
from fastapi_kit.ratelimit._rules import Rule, parse_rules
from fastapi_kit.ratelimit._stores import LimitStore, MemoryStore
from fastapi_kit.ratelimit.slowapi._declared import DeclaredLimit, TextOrCallable, called
from fastapi_kit.ratelimit.slowapi._fields import fields_of
from fastapi_kit.ratelimit.slowapi._slowapi import exceeded, trusted

F = TypeVar("F", bound=Callable[..., Any])

logger = logging.getLogger("fastapi_kit.ratelimit")

_STRATEGIES = frozenset({None, "fixed-window", "moving-window", "sliding-window-counter"})
_LIMITS = "_fastapi_kit_limits"
_REDIS = ("redis://", "rediss://", "unix://")


class Limiter:
    """What slowapi's `Limiter` is, with the same arguments; where one means something else, it is said.

    Args:
        key_func: May be async.
        default_limits: As there: of routes without a decorator, by `SlowAPIMiddleware`.
        application_limits: As there: shared by all routes, by `SlowAPIMiddleware`; decorated routes too.
        headers_enabled: Sends `RateLimit-Policy` and `RateLimit` besides the `X-RateLimit` fields. `Retry-After` is on
            every 429 and on nothing else.
        strategy: Whatever it is, the algorithm is this room's; at first as many requests pass as with any of them.
        storage_uri: `memory://`, or a URL of Redis.
        storage_options: `pool` and `timeout` of a `fastapi_kit.redis.RedisClient`.
        swallow_errors: While the store cannot be reached everything passes.
        in_memory_fallback: While the store cannot be reached, these limits hold in each process.
        in_memory_fallback_enabled: The same, with the limits as they are. With neither of these, requests get a 503.
        key_prefix: As there.
        enabled: As there; may be changed at any time.
        key_style: As there: whether `/items/1` and `/items/2` count apart (`url`) or together (`endpoint`).
        store: A store instead of the `storage_uri`, for example the app's `RedisStore`.

    Raises:
        ValueError: A limit cannot be read, or there is no such store or strategy; slowapi logs some of these and lets
            everything pass.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - slowapi's
        self,
        key_func: Callable[..., Any],
        default_limits: Sequence[TextOrCallable] = (),
        application_limits: Sequence[TextOrCallable] = (),
        headers_enabled: bool = False,
        strategy: str | None = None,
        storage_uri: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        *,
        swallow_errors: bool = False,
        in_memory_fallback: Sequence[str] = (),
        in_memory_fallback_enabled: bool = False,
        key_prefix: str = "",
        enabled: bool = True,
        key_style: Literal["endpoint", "url"] = "url",
        store: LimitStore | None = None,
    ) -> None:
        if strategy not in _STRATEGIES:
            raise ValueError(
                f"strategy={strategy!r}: slowapi has 'fixed-window', 'moving-window' and others; none is fine"
            )
        self.enabled = enabled
        self._by = trusted(key_func)
        self._defaults = [DeclaredLimit(text, self._by) for text in default_limits]
        self._application = [DeclaredLimit(text, self._by, scope="global") for text in application_limits]
        self._headers_enabled = headers_enabled
        self._prefix, self._key_style = key_prefix, key_style
        self._fallback = [parse_rules(text) for text in in_memory_fallback]
        local = in_memory_fallback_enabled or bool(in_memory_fallback)
        self._on_error: OnError = "local" if local else "open" if swallow_errors else "closed"
        self._redis: Any = None
        opened = self._open(storage_uri or "memory://", dict(storage_options or {})) if store is None else store
        self._store = opened
        self._exempt: set[Any] = set()

    def _open(self, uri: str, options: dict[str, Any]) -> LimitStore:
        uri = uri.removeprefix("async+")
        if uri.startswith("memory://"):
            return MemoryStore()
        if not uri.startswith(_REDIS):
            raise ValueError(f"no store for {uri.partition('://')[0]}://: memory:// and {', '.join(_REDIS)} are known")
        from fastapi_kit.ratelimit.redis import RedisStore  # noqa: PLC0415 - needs the extra
        from fastapi_kit.redis import RedisClient  # noqa: PLC0415

        self._redis = RedisClient(uri, **options)
        return RedisStore(self._redis)

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        """A resource for `compose`, which closes the connections of a `storage_uri` at shutdown."""
        try:
            yield
        finally:
            if self._redis is not None:
                await self._redis.aclose()

    def limit(  # noqa: PLR0913, PLR0917 - slowapi's
        self,
        limit_value: TextOrCallable,
        key_func: Callable[..., Any] | None = None,
        per_method: bool = False,
        methods: Iterable[str] | None = None,
        error_message: TextOrCallable | None = None,
        exempt_when: Callable[..., Any] | None = None,
        cost: int | Callable[..., Any] = 1,
        override_defaults: bool = True,
    ) -> Callable[[F], F]:
        """Limit the decorated endpoint, which has an argument `request` or `websocket`; decorators add up.

        One that is not async runs in a thread, as before, but calling it by yourself now gives a coroutine.
        """
        only = None if methods is None else frozenset(method.lower() for method in methods)
        by = trusted(key_func) if key_func else self._by
        return self._decorator(
            DeclaredLimit(limit_value, by, None, per_method, only, error_message, exempt_when, cost, override_defaults)
        )

    def shared_limit(  # noqa: PLR0913, PLR0917 - slowapi's
        self,
        limit_value: TextOrCallable,
        scope: TextOrCallable,
        key_func: Callable[..., Any] | None = None,
        error_message: TextOrCallable | None = None,
        exempt_when: Callable[..., Any] | None = None,
        cost: int | Callable[..., Any] = 1,
        override_defaults: bool = True,
    ) -> Callable[[F], F]:
        """Limit all endpoints together that have this scope."""
        by = trusted(key_func) if key_func else self._by
        return self._decorator(
            DeclaredLimit(limit_value, by, scope, False, None, error_message, exempt_when, cost, override_defaults)
        )

    def exempt(self, endpoint: F) -> F:
        """Leave the decorated endpoint out of the middleware's limits."""
        self._exempt.add(endpoint)
        return endpoint

    def reset(self) -> None:
        """Forget what was counted, if that is in memory."""
        if isinstance(self._store, MemoryStore):
            self._store.clear()
        else:
            logger.warning("Limits on Redis are not reset: they expire by themselves")

    def _decorator(self, limit: DeclaredLimit) -> Callable[[F], F]:
        def decorate(endpoint: F) -> F:
            known: tuple[Limiter, list[DeclaredLimit]] | None = getattr(endpoint, _LIMITS, None)
            if known is not None and known[0] is self:
                known[1].append(limit)
                return endpoint
            return cast("F", self._wrapped(endpoint, [limit]))

        return decorate

    def _wrapped(self, endpoint: Callable[..., Any], limits: list[DeclaredLimit]) -> Callable[..., Any]:
        name, position = _connection_parameter(endpoint)
        is_async = inspect.iscoroutinefunction(endpoint)

        @functools.wraps(endpoint)
        async def limited(*args: Any, **kwargs: Any) -> Any:
            connection: HTTPConnection = kwargs[name] if name in kwargs else args[position]
            if self.enabled:
                plain = all(not limit.override_defaults for limit in limits)
                await self._check(connection, endpoint, [*limits, *(self._defaults if plain else ())])
            answer = await (endpoint(*args, **kwargs) if is_async else run_in_threadpool(endpoint, *args, **kwargs))
            response = answer if isinstance(answer, Response) else kwargs.get("response")
            if isinstance(response, Response):
                self._inject_headers(response, getattr(connection.state, "view_rate_limit", None))
            return answer

        setattr(limited, _LIMITS, (self, limits))
        return limited

    async def check_app(self, request: Request, endpoint: Any) -> None:
        """Count a request in the limits of the app, for an endpoint that it will get; the middleware calls this.

        Raises:
            RateLimitExceeded: One of them refuses.
            ServiceUnavailableError: The store cannot be reached.
        """
        if endpoint in self._exempt or not hasattr(endpoint, "__name__"):
            return
        defaults = [] if hasattr(endpoint, _LIMITS) else self._defaults
        await self._check(request, endpoint, [*self._application, *defaults])

    async def _check(self, connection: HTTPConnection, endpoint: Any, limits: Sequence[DeclaredLimit]) -> None:
        """Count a request in each limit; leaves the fields of the answer in its state.

        Raises:
            RateLimitExceeded: One of them refuses.
            ServiceUnavailableError: The store cannot be reached.
        """
        name = f"{endpoint.__module__}.{endpoint.__name__}"
        notes: list[Note] = []
        refusing: DeclaredLimit | None = None
        for limit in limits:
            if not await limit.concerns(connection):
                continue
            key = str(await called(limit.by, connection) or client_address(connection))
            text, rules = limit.rules(key)
            place = limit.place(connection.scope["path"] if self._key_style == "url" else name, connection)
            decision = await self._decide(
                f"{self._prefix}{place}|{text}|{as_key(key)}", rules, await limit.costs(connection)
            )
            if decision is None:
                continue
            notes.append((Spelling(decision.rules), decision))
            if not decision.allowed:
                refusing = limit
                break
        fields = fields_of(notes, self._headers_enabled)
        connection.state.view_rate_limit = fields
        if refusing is not None:
            raise await refused(connection, exceeded(refusing, notes[-1][1], fields))
        if (passage := passage_of(connection.scope)) is not None:
            passage.notes += notes

    async def _decide(self, key: str, rules: tuple[Rule, ...], cost: int) -> Decision | None:
        if not self._fallback:
            return await decide(self._store, key, rules, cost, self._on_error)
        try:
            return await self._store.spend(key, rules, cost)
        except ServiceUnavailableError:
            rules = tuple(rule for fallback in self._fallback for rule in fallback)
            return self._store.local.count(key, rules, cost)

    def _inject_headers(self, response: Response, current_limit: Mapping[str, str] | None) -> Response:
        """Put the fields of a request's limits on its answer; slowapi's handler calls this, too."""
        response.headers.update(current_limit or {})
        return response

    @property
    def _exempt_routes(self) -> bool:
        raise RuntimeError("slowapi's middleware cannot wait: import it from fastapi_kit.ratelimit.slowapi instead")


def _connection_parameter(endpoint: Callable[..., Any]) -> tuple[str, int]:
    for position, name in enumerate(inspect.signature(endpoint).parameters):
        if name in {"request", "websocket"}:
            return name, position
    raise TypeError(f"{endpoint!r} needs an argument named request or websocket, so that the limit sees who asks")
