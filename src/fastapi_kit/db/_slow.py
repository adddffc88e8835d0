"""Telling of statements that take long."""

import logging
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, event

from fastapi_kit._clock import Clock

logger = logging.getLogger("fastapi_kit.db")

_SINCE = "_fastapi_kit_since"
_LONGEST_STATEMENT = 2_000


class SlowQueries:
    """Warns of each statement on some engines that takes long.

    Engines may be made from each other and then hear of the same statements: one tells of it.

    Attributes:
        seconds: From when on it is long.
        clock: Measures that.
    """

    def __init__(self, engines: Iterable[Engine], seconds: float, clock: Clock) -> None:
        self.seconds = seconds
        self.clock = clock
        for engine in engines:
            event.listen(engine, "before_cursor_execute", self._begin)
            event.listen(engine, "after_cursor_execute", self._end)

    # The parameters of SQLAlchemy's events: connection, cursor, statement, parameters, context, whether there are many.
    def _begin(self, _c: object, _k: object, _s: str, _p: object, context: Any, _m: bool) -> None:
        context.__dict__[_SINCE] = self.clock.monotonic()

    def _end(self, _c: object, _k: object, statement: str, _p: object, context: Any, _m: bool) -> None:
        since: float | None = context.__dict__.pop(_SINCE, None)
        if since is not None:
            duration = self.clock.monotonic() - since
            if duration >= self.seconds:
                _warn(statement, duration)


def _warn(statement: str, duration: float) -> None:
    """Without parameters, which are somebody's data; on one line."""
    text = " ".join(statement.split())[:_LONGEST_STATEMENT]
    logger.warning("A statement took %.3f s: %s", duration, text, extra={"duration": round(duration, 6)})
