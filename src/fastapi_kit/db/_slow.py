"""Telling of statements that take long."""

import logging
from typing import Any

from sqlalchemy import Engine, event

from fastapi_kit._clock import Clock

logger = logging.getLogger("fastapi_kit.db")

_SINCE = "_fastapi_kit_since"
_LONGEST_STATEMENT = 2_000


def log_slow_queries(engines: tuple[Engine, ...], seconds: float, clock: Clock) -> None:
    """Warn of each statement on `engines` that takes as long as this, or longer.

    Engines may be made from each other and then hear of the same statements: one tells of it.

    Raises:
        ValueError: `seconds` is not more than 0.
    """
    if seconds <= 0:
        raise ValueError(f"seconds={seconds!r}: a number of seconds above 0")
    now = clock.monotonic

    # The parameters of SQLAlchemy's events: connection, cursor, statement, parameters, context, whether there are many.
    def begin(_c: object, _k: object, _s: str, _p: object, context: Any, _m: bool) -> None:
        context.__dict__[_SINCE] = now()

    def end(_c: object, _k: object, statement: str, _p: object, context: Any, _m: bool) -> None:
        since: float | None = context.__dict__.pop(_SINCE, None)
        if since is not None and now() - since >= seconds:
            _warn(statement, now() - since)

    for engine in engines:
        event.listen(engine, "before_cursor_execute", begin)
        event.listen(engine, "after_cursor_execute", end)


def _warn(statement: str, duration: float) -> None:
    """Without parameters, which are somebody's data; on one line."""
    text = " ".join(statement.split())[:_LONGEST_STATEMENT]
    logger.warning("A statement took %.3f s: %s", duration, text, extra={"duration": round(duration, 6)})
