"""`after_commit`: work that waits for the COMMIT, and is forgotten with a rollback.

Theory of operation. SQLAlchemy tells when a transaction has committed (`after_commit`, also for a savepoint that is
released) and then, as the last step, when it has ended (`after_transaction_end`: no longer the session's, and its
connection back in the pool). So each callback is kept under the transaction, the innermost savepoint or the outermost
one, in which it was registered. When that ends without having committed, its callbacks are dropped; a released
savepoint hands them to the transaction around it; and the outermost one runs them.

The listeners are on the one session, not on a class of sessions: any `AsyncSession` works, whoever made it and however
it is committed, and sessions without callbacks pay nothing. The events are synchronous, but come in the greenlet in
which SQLAlchemy runs a session's work, so the callbacks are awaited in the task that commits.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.util import await_

logger = logging.getLogger("fastapi_kit.db")

Callback = Callable[[], Awaitable[None]]

_KEY = "fastapi_kit.after_commit"
"""Where the session keeps its callbacks: in `Session.info`."""


def after_commit(session: AsyncSession, callback: Callback) -> None:
    """Run `callback` once, after the session's outermost transaction has been committed.

    Callbacks run one after the other in the order of their registration, before the commit returns: of a request's
    session before the response starts. The connection is back in the pool by then, so a callback may open a session
    of its own; it leaves `session` alone. A rollback drops the callbacks of its transaction, that of a savepoint those
    that were registered inside the savepoint.

    What a callback raises is logged with its traceback; the others still run, and the commit stands. If the task is
    cancelled while they run, the commit stands and the remaining ones do not run; nor does any if it is cancelled
    during the COMMIT itself, whose outcome nobody knows. So a callback runs at most once: what must not be lost is
    written as a row in the transaction.

    Begins the session's transaction, as `session.add` does, if it has none. For a session that is bound to a connection
    with a transaction of its own, the commit is the session's, not that connection's.

    Args:
        session: Any session, made by `Database` or not.
        callback: An async function without parameters.

    Raises:
        InvalidRequestError: The session's transaction is over, and the `async with session.begin()` around it is not.
    """
    pending: _Pending | None = session.info.get(_KEY)
    if pending is None:
        session.info[_KEY] = pending = _Pending()
        event.listen(session.sync_session, "after_commit", pending.note_commit)
        event.listen(session.sync_session, "after_transaction_end", pending.settle)
    pending.add(session.sync_session, callback)


class _Pending:
    """The callbacks of one session."""

    def __init__(self) -> None:
        self._callbacks: dict[SessionTransaction, list[Callback]] = {}
        self._committed: SessionTransaction | None = None

    def add(self, session: Session, callback: Callback) -> None:
        transaction = _innermost(session) or session.begin()
        self._callbacks.setdefault(transaction, []).append(callback)

    def note_commit(self, session: Session) -> None:
        """Remember which transaction the event is about: the innermost one, as those inside it have ended."""
        self._committed = _innermost(session)

    def settle(self, session: Session, transaction: SessionTransaction) -> None:
        """Drop, pass on or run the callbacks of a transaction that has ended."""
        callbacks = self._callbacks.pop(transaction, [])
        committed = self._committed is transaction
        if not committed or not callbacks:
            return
        around = _innermost(session)
        if around is None:
            await_(_run(callbacks))
        else:
            self._callbacks.setdefault(around, []).extend(callbacks)


def _innermost(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


async def _run(callbacks: Sequence[Callback]) -> None:
    for callback in callbacks:
        try:
            await callback()
        except Exception:
            name = getattr(callback, "__qualname__", type(callback).__qualname__)  # a repr may hold what is secret
            logger.exception("%s failed after the commit, which stands", name)
