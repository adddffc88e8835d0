"""One request and the cache: from the look-up to the bytes that are stored."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from fastapi_kit._principal import UnknownUserError
from fastapi_kit.cache._answer import StoredAnswer, is_known
from fastapi_kit.cache._cache import Cache
from fastapi_kit.cache._flights import Landing
from fastapi_kit.cache._front import Front, Known
from fastapi_kit.cache._key import headers_of, key_of
from fastapi_kit.cache._policy import CachePolicy, directives, freshness, is_readable, satisfies, wants_new
from fastapi_kit.cache._store import CacheUnavailableError, Claim

EXCHANGE = "fastapi_kit.cache"
"""Scope key of the exchange, set by the middleware."""

Usable = tuple[StoredAnswer, float]
"""An answer that may be given, and its age in seconds."""

_OF_304 = frozenset({b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"})
_FIRST_LOOK = 0.02
_LONGEST_LOOK = 0.2


class Refresh(Protocol):
    """Answers the request once more, for the store alone."""

    def __call__(self, claim: Claim, /) -> Coroutine[Any, Any, None]:
        """Make the answer that was claimed."""
        ...


class CacheExchange:
    """What the cache knows of one request; made by the middleware, filled where the endpoint would be called.

    Args:
        cache: The app's.
        refresh: How the request is answered once more.
        front: Of the layer.
        claim: For which a new answer is made, if the request is such a repetition.
    """

    __slots__ = ("_repeats", "cache", "claim", "forwarded", "front", "given", "headers", "policy", "refresh")

    def __init__(self, cache: Cache, refresh: Refresh, front: Front, claim: Claim | None = None) -> None:
        self.cache = cache
        self.refresh = refresh
        self.front = front
        self.claim = claim
        self._repeats = claim is not None
        self.policy: CachePolicy | None = None
        self.headers: Mapping[bytes, bytes] = {}
        self.given = False
        self.forwarded = b"bypass"
        """Why the endpoint was called, in a word of RFC 9211, section 2.2."""

    async def look_up(
        self, policy: CachePolicy, name: str, request: Request, *, by_path: bool = True
    ) -> Response | None:
        """The stored answer, or `None` if the endpoint has to make one.

        What is looked up once is not again: the route is run for it, and its endpoint may be wrapped twice.
        """
        scope = request.scope
        if self.policy is not None:
            return None
        self.policy = policy
        self.headers = headers = headers_of(scope["headers"])
        if not is_readable(scope["method"], headers):
            return None
        try:
            key = key_of(policy, name, scope, headers, by_path=by_path)
            if self._repeats:
                await self._keep_claim_of(key)
                return None
            found = await self._find(policy, key, request)
        except (UnknownUserError, CacheUnavailableError):
            return None
        return None if found is None else self._give(found, scope)

    async def look_up_early(self, known: Known, scope: Scope) -> Response | None:
        """The stored answer to a request that is not routed yet, or `None` to route it."""
        self.headers = headers = headers_of(scope["headers"])
        asked = directives(headers.get(b"cache-control"))
        if not is_readable("GET", headers) or wants_new(asked):
            return None
        tags = known.policy.tags_of(None)
        try:
            found = await self._usable(known.policy, known.key(scope, headers), tags, asked)
        except CacheUnavailableError:
            return None
        return None if found is None else self._give(found, scope)

    async def land(self, landing: Landing) -> None:
        """End the claim without an answer, if there still is one, and tell those who wait."""
        claim, self.claim = self.claim, None
        if claim is None:
            return
        try:
            await self.cache.store.release(claim)
        except CacheUnavailableError:
            pass  # it ends by itself
        finally:
            self.cache.flights.land(claim.key, landing)

    async def store(self, answer: StoredAnswer) -> None:
        """Store what was claimed."""
        claim, self.claim = self.claim, None
        if claim is None:
            return
        landing: Landing = "unstorable"
        try:
            await self.cache.store.write(claim, answer)
            landing = "stored"
        except CacheUnavailableError:
            pass
        finally:
            self.cache.flights.land(claim.key, landing)

    async def _keep_claim_of(self, key: str) -> None:
        if self.claim is not None and self.claim.key != key:
            await self.land("lost")  # the principal is another one than before

    async def _find(self, policy: CachePolicy, key: str, request: Request) -> Usable | None:
        tags = policy.tags_of(request)
        asked = directives(self.headers.get(b"cache-control"))
        new = wants_new(asked)
        self.forwarded = b"request" if new else b"miss"
        if not new:
            found = await self._usable(policy, key, tags, asked)
            if found is not None or "only-if-cached" in asked:
                return found
        if request.method == "HEAD":
            return None
        return await self._wait_or_claim(policy, key, tags)

    async def _usable(
        self, policy: CachePolicy, key: str, tags: Sequence[str], asked: Mapping[str, str | None]
    ) -> Usable | None:
        answer = await self.cache.store.read(key, tags)
        if answer is None:
            return None
        age = self.cache.now() - answer.made_at
        state = freshness(policy, answer.ttl, age)
        if state == "expired" or (asked and not satisfies(asked, age, answer.ttl - age)):
            self.forwarded = b"stale"
            return None
        if state == "stale":
            self.cache.refresh(key, self._refreshed(key, tags))
        return answer, age

    async def _refreshed(self, key: str, tags: Sequence[str]) -> None:
        try:
            claim = await self.cache.store.claim(key, tags, self.cache.lease)
        except CacheUnavailableError:
            return
        if claim is not None:
            await self.refresh(claim)

    async def _wait_or_claim(self, policy: CachePolicy, key: str, tags: Sequence[str]) -> Usable | None:
        """Claim the answer, or wait for somebody else's; `None` with or without a claim means: call the endpoint."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.cache.lease
        while (left := until - loop.time()) > 0:
            if self.cache.flights.board(key):
                return await self._lead(policy, key, tags, until)
            landing = await self.cache.flights.wait(key, left)
            if landing == "unstorable":
                return None
            if landing == "stored":
                found = await self._usable(policy, key, tags, {})
                if found is not None:
                    return found
        return None

    async def _lead(self, policy: CachePolicy, key: str, tags: Sequence[str], until: float) -> Usable | None:
        """Claim the answer for this process, or look until another process has stored it."""
        landing: Landing = "unstorable"
        try:
            found = await self._look_or_claim(policy, key, tags, until)
            landing = "unstorable" if found is None else "stored"
        except asyncio.CancelledError:
            landing = "lost"
            raise
        finally:
            if self.claim is None:  # else the flight lands when the answer is stored
                self.cache.flights.land(key, landing)
        return found

    async def _look_or_claim(self, policy: CachePolicy, key: str, tags: Sequence[str], until: float) -> Usable | None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_LOOK
        while loop.time() < until:
            self.claim = await self.cache.store.claim(key, tags, self.cache.lease)
            if self.claim is not None:
                return None
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_LOOK)
            found = await self._usable(policy, key, tags, {})
            if found is not None:
                return found
        return None

    def _give(self, found: Usable, scope: Scope) -> Response:
        self.given = True
        answer, age = found[0], max(0, int(found[1]))
        headers = [
            *answer.headers,
            (b"age", b"%d" % age),
            (b"cache-status", b"fastapi-kit; hit; ttl=%d" % (answer.ttl - age)),
        ]
        if_none_match = self.headers.get(b"if-none-match")
        if if_none_match and is_known(if_none_match, answer.etag):
            return GivenResponse(304, of_304(headers), b"")
        return GivenResponse(answer.status, headers, b"" if scope["method"] == "HEAD" else answer.body)


class GivenResponse(Response):
    """A response of bytes and headers that are there already."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


def of_304(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers that a 304 has of those of the 200 (RFC 9110, section 15.4.5), and the cache's own."""
    kept = _OF_304 | {b"age", b"cache-status"}
    return [pair for pair in headers if pair[0] in kept]
