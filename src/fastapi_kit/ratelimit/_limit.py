"""`RateLimit`: a limit on requests, which is a dependency and a policy of the whole app."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from fastapi import Response
from starlette.requests import HTTPConnection
from starlette.types import Scope

from fastapi_kit._routes import template
from fastapi_kit.errors import ServiceUnavailableError
from fastapi_kit.ratelimit._headers import Note, Spelling, as_text
from fastapi_kit.ratelimit._keys import Key, address_of, as_key, client_address
from fastapi_kit.ratelimit._meter import Decision
from fastapi_kit.ratelimit._passage import passage_of
from fastapi_kit.ratelimit._problem import TooManyRequestsError
from fastapi_kit.ratelimit._refusal import refused
from fastapi_kit.ratelimit._rules import Rules, parse_rules
from fastapi_kit.ratelimit._stores import LimitStore, MemoryStore

logger = logging.getLogger("fastapi_kit.ratelimit")

OnError = Literal["local", "open", "closed"]
"""What happens while the store cannot be reached: this process counts for itself, everything passes, or nothing."""

Cost = int | Callable[[HTTPConnection], int | Awaitable[int]]
Exempt = Callable[[HTTPConnection], bool | Awaitable[bool]]


@dataclass(frozen=True, slots=True, eq=False)
class RateLimit:
    """A limit: `Depends(RateLimit("5/minute"))` among the dependencies of a route or router, or a policy of `install`.

    A request passes if every rule lets it, and then counts in each; one that is refused counts in none. Refused ones
    get a 429 with `Retry-After`, and all that are counted get `RateLimit-Policy` and `RateLimit`. As a dependency it
    counts for each route by itself, however the route was included, unless it has a name.

    Levels are kept in the store that `install` was given; without `install` in this process.

    Attributes:
        rules: Such as `5/minute` or `10/second;1000/day`.
        by: What names the client, such as `client_address`.
        cost: What a request counts, or a function of the connection that says so. A request that costs more than a
            rule's limit is always refused.
        on_error: What happens while the store cannot be reached: `local` counts in this process, against its share of
            the limit, `open` lets everything pass, `closed` answers 503.
        shadow: Only log what would be refused, to try a limit out.
        exempt: Whom the limit does not concern.
        name: What the limit is called in headers, and what it counts for: limits of one name and the same rules count
            together.

    Raises:
        ValueError: The rules cannot be read, a fixed cost is below 0 or above a rule's limit, or `on_error` is none of
            the three.
    """

    rules: str
    by: Key = field(default=client_address, kw_only=True)
    cost: Cost = field(default=1, kw_only=True)
    on_error: OnError = field(default="local", kw_only=True)
    shadow: bool = field(default=False, kw_only=True)
    exempt: Exempt | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)
    parsed: Rules = field(init=False, repr=False)
    """The rules as they are counted."""
    _spelling: Spelling = field(init=False, repr=False)
    _plain_cost: int | None = field(init=False, repr=False)
    """The cost, where nothing else of a request matters than its address."""
    _memory: MemoryStore = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parsed = parse_rules(self.rules)
        if self.on_error not in {"local", "open", "closed"}:
            raise ValueError(f"on_error={self.on_error!r}: choose 'local', 'open' or 'closed'")
        smallest = min(rule.limit for rule in parsed)
        if isinstance(self.cost, int) and not 0 <= self.cost <= smallest:
            raise ValueError(f"cost={self.cost}: between 0 and the limit, which is {smallest}, as nothing passes else")
        object.__setattr__(self, "parsed", parsed)
        object.__setattr__(self, "_spelling", Spelling(parsed, self.name))
        plain = self.by is client_address and self.exempt is None and not self.shadow
        object.__setattr__(self, "_plain_cost", self.cost if plain and isinstance(self.cost, int) else None)
        object.__setattr__(self, "_memory", MemoryStore())

    async def __call__(self, connection: HTTPConnection, response: Response) -> None:
        """The dependency: count this request for its route.

        Raises:
            TooManyRequestsError: The quota is used up.
            ServiceUnavailableError: The store cannot be reached, and the limit is closed then.
        """
        scope = connection.scope
        passage = passage_of(scope)
        store, place = passage.store if passage else self._memory, _place(scope)
        note = self.count_now(scope, self.prefix(place), store) or await self.count(scope, place, store, connection)
        if note is None:
            return
        spelling, decision = note
        fields: dict[str, str] = {}
        if passage:
            passage.notes.append(note)
        else:
            fields = as_text(spelling.fields(decision))
            response.headers.update(fields)
        if not decision.allowed:
            raise await refused(connection, TooManyRequestsError(decision.retry_after(), headers=fields))

    def prefix(self, place: str) -> str:
        """What the keys of all clients begin with, for `count_now`."""
        return f"{self.name or place}|{self.rules}|"

    def count_now(self, scope: Scope, prefix: str, store: LimitStore) -> Note | None:
        """Do what `count` does if nothing has to be waited for; otherwise nothing."""
        cost = self._plain_cost
        if cost is None or not isinstance(store, MemoryStore):
            return None
        return self._spelling, store.count(prefix + as_key(address_of(scope)), self.parsed, cost)

    async def count(
        self, scope: Scope, place: str, store: LimitStore, connection: HTTPConnection | None = None
    ) -> Note | None:
        """Count a request, and tell what the client is to know of it.

        Args:
            scope: Of the request, or of the handshake of a websocket.
            place: What is counted for, if the limit has no name.
            store: Where.
            connection: That of the scope, if there is one already.

        Raises:
            ServiceUnavailableError: The store cannot be reached, and the limit is closed then.
        """
        identity: str | None = None
        cost = self._plain_cost
        if cost is None:
            connection = connection or HTTPConnection(scope)
            if self.exempt is not None and await _value(self.exempt(connection)):
                return None
            found = self.by(connection)
            identity = found if found is None or isinstance(found, str) else await found
            cost = self.cost if isinstance(self.cost, int) else max(0, await _value(self.cost(connection)))
        key = self.prefix(place) + as_key(address_of(scope) if identity is None else identity)
        decision = await decide(store, key, self.parsed, cost, self.on_error)
        if decision is None:
            return None
        if self.shadow:
            if not decision.allowed:
                logger.warning("%s would be refused by %s", place, self.rules)
            return None
        return self._spelling, decision


async def decide(store: LimitStore, key: str, rules: Rules, cost: int, on_error: OnError) -> Decision | None:
    """Count in the store, or do what the limit does without one; `None` lets the request pass.

    Raises:
        ServiceUnavailableError: The store cannot be reached, and the limit is closed then.
    """
    try:
        return await store.spend(key, rules, cost)
    except ServiceUnavailableError:
        if on_error == "closed":
            raise
        return store.local.count(key, rules, cost) if on_error == "local" else None


async def _value(given: "int | Awaitable[int]") -> int:
    return given if isinstance(given, int) else await given


def _place(scope: Scope) -> str:
    """The route of a request, the same however its parameters are."""
    method: str = scope.get("method", "WEBSOCKET")
    return f"{method} {template(scope) or scope['path']}"
