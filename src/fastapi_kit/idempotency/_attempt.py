"""One request with a key: from the look-up to the record."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fastapi_kit.errors import ServiceUnavailableError
from fastapi_kit.idempotency._heartbeat import Heartbeat
from fastapi_kit.idempotency._record import TOO_LARGE, Record
from fastapi_kit.idempotency._store import Begun, IdempotencyStore

logger = logging.getLogger("fastapi_kit.idempotency")

ATTEMPT = "fastapi_kit.idempotency"
"""Scope key of the attempt, while the request is carried out."""

REPLAYED = (b"idempotent-replayed", b"true")
"""Marks an answer that was given before, in the word of Stripe's API."""

_NOT_KEPT = frozenset({b"date", b"connection", b"transfer-encoding"})
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long keys are held, and what is kept for how long.

    Attributes:
        lease: Seconds that a key is held without news of this process.
        keep: Seconds that a record is kept.
        max_body: Bytes of the largest body that is kept.
    """

    lease: float
    keep: float
    max_body: int


class Attempt:
    """Holds a key while its request is carried out, and keeps the answer.

    Args:
        store: Where the key is held.
        begun: What the store said.
        bounds: Of the key and the record.
        heartbeat: Renews the key meanwhile.
    """

    __slots__ = ("_begun", "_bounds", "_heartbeat", "_open", "_store")

    def __init__(self, store: IdempotencyStore, begun: Begun, bounds: Bounds, heartbeat: Heartbeat) -> None:
        self._store = store
        self._begun = begun
        self._bounds = bounds
        self._heartbeat = heartbeat
        self._open = True
        heartbeat.join(self)

    async def renew(self) -> None:
        """Hold the key for another lease."""
        with suppress(ServiceUnavailableError):  # the next beat may reach the store
            if not await self._store.renew(self._begun, self._bounds.lease) and self._open:
                logger.error("A key was lost while its request was carried out; a retry may be carried out, too.")

    def let_go_on_rollback(self, session: AsyncSession) -> None:
        """Give the key back if what the session has written is undone, as when its commit fails."""

        def undone(_: object) -> None:
            if self._open:
                await_(self.abandon())

        event.listen(session.sync_session, "after_rollback", undone)

    async def abandon(self) -> None:
        """Give the key back: nothing was carried out."""
        if self._end():
            try:
                await self._store.abandon(self._begun)
            except ServiceUnavailableError:
                logger.warning("A key of a request that failed is held until its lease is over.")

    async def write(self, response: Response) -> None:
        """Keep the answer now: for a store that is part of the transaction."""
        if response.status_code < _SERVER_ERRORS and self._end():
            await self._store.complete(self._begun, self._record_of(response), self._bounds.keep)

    def written_later(self, response: Response) -> Response:
        """The response, whose answer is kept when it is sent: that is after the commit.

        If it is never sent, the key is free when the lease is over.
        """
        self._heartbeat.leave(self)
        return _Kept(response, self)

    async def keep(self, response: Response) -> None:
        """Keep the answer, or the fact that it was given."""
        if response.status_code >= _SERVER_ERRORS:
            await self.abandon()
            return
        if self._end():
            try:
                await self._store.complete(self._begun, self._record_of(response), self._bounds.keep)
            except ServiceUnavailableError:
                logger.exception("An answer could not be kept: a retry after the lease is carried out again.")

    def _record_of(self, response: Response) -> Record:
        body: Any = getattr(response, "body", None)
        if body is None or len(body) > self._bounds.max_body:
            return Record(self._begun.fingerprint, TOO_LARGE)
        headers = [(low, value) for name, value in response.raw_headers if (low := name.lower()) not in _NOT_KEPT]
        return Record(self._begun.fingerprint, response.status_code, headers, bytes(body))

    def _end(self) -> bool:
        was_open, self._open = self._open, False
        self._heartbeat.leave(self)
        return was_open


class _Kept(Response):
    """A response whose answer is kept before it is sent: when the dependencies of the function's scope have ended."""

    def __init__(self, response: Response, attempt: Attempt) -> None:
        self._response = response
        self._attempt = attempt
        self.status_code = response.status_code
        self.raw_headers = response.raw_headers
        self.background = response.background
        if hasattr(response, "body"):
            self.body = response.body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._attempt.keep(self._response)
        self._response.background = self.background
        await self._response(scope, receive, send)


def replayed(record: Record) -> Response:
    """The answer of a record, marked as such."""
    return _Replayed(record.status, [*record.headers, REPLAYED], record.body)


class _Replayed(Response):
    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.status_code = status
        self.raw_headers = list(headers)
        self.body = body
        self.background = None
