"""The layer in which answers pass by as bytes, and are stored.

Theory of operation. Where the endpoint would be called, its dependencies have run: whoever may not see the answer has
been refused, and the principal is known. There `cached` looks the answer up. What the endpoint gives instead is still
to be rendered by the response model, and its transaction to be committed. Both have happened when the response starts,
so what passes this layer is what may be stored. An answer of one piece, as of all JSON, gets its entity tag on the way;
a stream is passed on piece by piece, and stored at its end if it was not too long.
"""

import asyncio
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit.cache._answer import StoredAnswer, is_known, strong_etag
from fastapi_kit.cache._cache import Cache
from fastapi_kit.cache._exchange import EXCHANGE, CacheExchange, of_304
from fastapi_kit.cache._flights import Landing
from fastapi_kit.cache._front import Front
from fastapi_kit.cache._policy import CachePolicy, storing_time
from fastapi_kit.cache._store import Claim

_CONDITIONS = frozenset({b"if-none-match", b"if-modified-since", b"cache-control"})


class CacheMiddleware:
    """Stores the answers of `cached` endpoints, in any router of the app.

    Add it before (inside of) what changes answers by request, such as compression and CORS.

    Args:
        app: What is inside.
        cache: The app's.
    """

    def __init__(self, app: ASGIApp, *, cache: Cache) -> None:
        self.app = app
        self.cache = cache
        self._front = Front(CacheMiddleware)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, and store its answer if that was asked for."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = self.exchange(scope)
        known = self._front.known(scope)
        if known is not None and (answer := await exchange.look_up_early(known, scope)) is not None:
            scope.update(known.routed)
            await answer(scope, receive, send)
            return
        await self.run(scope, receive, send, exchange)

    def exchange(self, scope: Scope) -> CacheExchange:
        """What is to be known of a request that is not routed yet."""
        return CacheExchange(self.cache, partial(self._refresh, {**scope}), self._front)

    async def run(self, scope: Scope, receive: Receive, send: Send, exchange: CacheExchange) -> None:
        """Run what is inside, and store its answer if the exchange has claimed it by the time that is sent."""
        scope[EXCHANGE] = exchange
        recorder: _Recorder | None = None

        async def watched(message: Message) -> None:
            nonlocal recorder
            policy = exchange.policy
            if policy is None or exchange.given:
                await send(message)
                return
            if recorder is None:
                recorder = _Recorder(exchange, policy, scope["method"], send)
            await recorder.send(message)

        landing: Landing = "unstorable"  # those who wait ask by themselves, all at once, as if nobody had waited
        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:
            landing = "lost"  # this client has gone, so one of the others makes the answer
            raise
        finally:
            if exchange.claim is not None:
                await exchange.land(landing)

    async def _refresh(self, original: Scope, claim: Claim) -> None:
        """Answer the request once more, as if it came now and without the client's copy."""
        headers = [pair for pair in original["headers"] if pair[0] not in _CONDITIONS]
        scope = {**original, "headers": headers, "state": {**original.get("state", {})}}
        await self.run(scope, _no_body, _nowhere, CacheExchange(self.cache, _never, self._front, claim))


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _nowhere(_: Message) -> None:
    """A repeated request has nobody who waits for the answer."""


async def _never(_: Claim) -> None:
    """A repetition is not repeated."""


class _Recorder:
    """Passes one answer on, and keeps what is to be stored of it."""

    __slots__ = ("_body", "_exchange", "_headers", "_method", "_policy", "_send", "_start", "_status", "_ttl")

    def __init__(self, exchange: CacheExchange, policy: CachePolicy, method: str, send: Send) -> None:
        self._exchange = exchange
        self._policy = policy
        self._method = method
        self._send = send
        self._start: Message | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._status = 0
        self._ttl = 0.0
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            await self._begin(message)
        elif kind == "http.response.body":
            await self._add(message)
        else:
            await self._give_up()
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        self._status = message["status"]
        given = [(name.lower(), value) for name, value in message.get("headers", ())]
        if self._exchange.claim is not None:
            self._ttl = storing_time(self._policy, self._method, self._status, given, self._policy.covered)
            if self._ttl <= 0:
                await self._exchange.land("unstorable")
        if self._exchange.claim is None:
            note = (b"cache-status", b"fastapi-kit; fwd=" + self._exchange.forwarded)
            await self._send({**message, "headers": [*given, note]})
            return
        self._headers = self._completed(given)
        self._start = message  # until it is known whether the first piece is the whole

    def _completed(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        headers = given
        if not any(name == b"cache-control" for name, _ in given):
            headers = [*headers, (b"cache-control", self._policy.cache_control)]
        if self._policy.varied:
            headers = [*headers, (b"vary", self._policy.varied)]
        return headers

    async def _add(self, message: Message) -> None:
        if self._exchange.claim is None and self._start is None:
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self._start is not None and not more:
            await self._send_whole(body)
            return
        if self._start is not None:
            await self._send_start(self._headers)
        self._body += body
        if len(self._body) > self._exchange.cache.max_entry_bytes:
            await self._give_up()
        elif not more:
            await self._exchange.store(self._answer(self._with_etag(bytes(self._body)), bytes(self._body)))
        await self._send(message)

    async def _send_whole(self, body: bytes) -> None:
        headers = self._with_etag(body)
        if len(body) > self._exchange.cache.max_entry_bytes:
            await self._give_up()
        else:
            await self._exchange.store(self._answer(headers, body))
        etag = next(value for name, value in headers if name == b"etag")
        if self._status == 200 and is_known(self._exchange.headers.get(b"if-none-match"), etag):  # noqa: PLR2004
            self._status, headers, body = 304, of_304(headers), b""
        await self._send_start(headers)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _send_start(self, headers: list[tuple[bytes, bytes]]) -> None:
        note = (b"cache-status", b"fastapi-kit; fwd=" + self._exchange.forwarded + b"; stored")
        start, self._start = self._start, None
        await self._send({**(start or {}), "status": self._status, "headers": [*headers, note]})

    async def _give_up(self) -> None:
        self._body.clear()
        await self._exchange.land("unstorable")

    def _with_etag(self, body: bytes) -> list[tuple[bytes, bytes]]:
        if any(name == b"etag" for name, _ in self._headers):
            return self._headers
        return [*self._headers, (b"etag", strong_etag(body))]

    def _answer(self, headers: list[tuple[bytes, bytes]], body: bytes) -> StoredAnswer:
        stale = self._policy.stale_while_revalidate
        return StoredAnswer(self._status, headers, body, self._exchange.cache.now(), self._ttl, stale)
