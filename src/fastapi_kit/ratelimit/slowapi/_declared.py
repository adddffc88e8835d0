"""A limit as slowapi's decorators declare it: each part a value, or a function that may take the request."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection

from fastapi_kit.ratelimit._rules import Rules, parse_rules

TextOrCallable = str | Callable[..., str]


@dataclass(frozen=True, slots=True, eq=False)
class DeclaredLimit:
    """What a decorator or the limiter's defaults say; the meaning of each is slowapi's."""

    provider: TextOrCallable
    by: Callable[..., Any]
    scope: TextOrCallable | None = None
    per_method: bool = False
    methods: frozenset[str] | None = None
    error_message: TextOrCallable | None = None
    exempt_when: Callable[..., Any] | None = None
    cost: int | Callable[..., Any] = 1
    override_defaults: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.provider, str):
            parse_rules(self.provider)  # a text that is no rule is found at import, rather than logged

    async def concerns(self, connection: HTTPConnection) -> bool:
        """Whether a request counts."""
        if self.methods is not None and connection.scope.get("method", "").lower() not in self.methods:
            return False
        return self.exempt_when is None or not await called(self.exempt_when, connection)

    def rules(self, key: str) -> tuple[str, Rules]:
        """The rules, and their text; functions may make them of the client's key."""
        text = self.provider
        if not isinstance(text, str):
            text = text(key) if "key" in inspect.signature(text).parameters else text()
        return text, parse_rules(text)

    def place(self, endpoint: str, connection: HTTPConnection) -> str:
        """What is counted for: the scope that is shared, or the endpoint."""
        place = self.scope(endpoint) if callable(self.scope) else self.scope or endpoint
        return f"{place}:{connection.scope.get('method', 'WEBSOCKET')}" if self.per_method else place

    async def costs(self, connection: HTTPConnection) -> int:
        """What a request counts."""
        return self.cost if isinstance(self.cost, int) else max(0, await called(self.cost, connection))


async def called(function: Callable[..., Any], connection: HTTPConnection) -> Any:
    """What a function of the user's gives, which takes the request or nothing, and may be async."""
    given = function(connection) if inspect.signature(function).parameters else function()
    return await given if inspect.isawaitable(given) else given
