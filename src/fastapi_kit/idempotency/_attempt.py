"""One request with a key: from the look-up to the record."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import await_
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fastapi_kit.errors import ServiceUnavailableError
from fastapi_kit.idempotency._record import TOO_LARGE, Record
from fastapi_kit.idempotency._store import Begun, IdempotencyStore

logger = logging.getLogger("fastapi_kit.idempotency")

ATTEMPT = "fastapi_kit.idempotency"
"""Scope key of the attempt, while the request is carried out."""

REPLAYED = (b"idempotent-replayed", b"true")
"""Marks an answer that was given before, in the word of Stripe's API."""

_NOT_KEPT = frozenset({b"date", b"connection", b"transfer-encoding"})
_SERVER_ERRORS = 500


class Attempt:
    """Holds a key while its request is carried out, and keeps the answer.

    Args:
        store: Where the key is held.
        begun: What the store said.
        lease: Seconds that the key is held without news of this process.
        keep: Seconds that the record is kept.
        max_body: Bytes of the largest body that is kept.
    """

    def __init__(self, store: IdempotencyStore, begun: Begun, *, lease: float, keep: float, max_body: int) -> None:
        self._store = store
        self._begun = begun
        self._lease = lease
        self._keep = keep
        self._max_body = max_body
        self._open = self._renews = True
        self._loop = asyncio.get_running_loop()
        self._renewal: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(lease / 3, self._start_renewal)

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
            await self._store.complete(self._begun, self._record_of(response), self._keep)

    def written_later(self, response: Response) -> Response:
        """The response, whose answer is kept when it is sent: that is after the commit.

        If it is never sent, the key is free when the lease is over.
        """
        self._timer.cancel()
        self._renews = False
        return _Kept(response, self)

    async def keep(self, response: Response) -> None:
        """Keep the answer, or the fact that it was given."""
        if response.status_code >= _SERVER_ERRORS:
            await self.abandon()
            return
        if self._end():
            try:
                await self._store.complete(self._begun, self._record_of(response), self._keep)
            except ServiceUnavailableError:
                logger.exception("An answer could not be kept: a retry after the lease is carried out again.")

    def _record_of(self, response: Response) -> Record:
        body: Any = getattr(response, "body", None)
        if body is None or len(body) > self._max_body:
            return Record(self._begun.fingerprint, TOO_LARGE)
        headers = [(name.lower(), value) for name, value in response.raw_headers if name.lower() not in _NOT_KEPT]
        return Record(self._begun.fingerprint, response.status_code, headers, bytes(body))

    def _end(self) -> bool:
        was_open, self._open = self._open, False
        self._timer.cancel()
        return was_open

    def _start_renewal(self) -> None:
        self._renewal = self._loop.create_task(self._renew(), name="renewal of an idempotency key")

    async def _renew(self) -> None:
        try:
            held = await self._store.renew(self._begun, self._lease)
        except ServiceUnavailableError:
            held = True  # perhaps; the next renewal will tell
        if not held:
            logger.error("A key was lost while its request was carried out: a retry may have been carried out, too.")
        elif self._open and self._renews:
            self._timer = self._loop.call_later(self._lease / 3, self._start_renewal)


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
