"""Which errors of a database pass by themselves, told the same way for every database.

Two kinds, because they ask for different things:

- A *conflict*: the database gave this transaction up in favour of another one (serialization failure, deadlock, a lock
  that did not come free). It is rolled back, so the same work can be done again at once, and will likely succeed.
- *Unavailable*: the database cannot be reached, or cannot work (starting up, shutting down, full, read-only after a
  failover), or did not answer in time. Whether what was under way has taken effect is unknown where the connection was
  lost in a COMMIT, so nothing is done again here.

Drivers tell it by SQLSTATE (PostgreSQL), by numbers (MariaDB) or by message texts (SQLite).
"""

from typing import Any, Literal

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

Transience = Literal["conflict", "unavailable"]

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONFLICT_STATES = frozenset({"40001", "40P01", "55P03"})
_UNAVAILABLE_STATES = frozenset({"57P01", "57P02", "57P03", "57P05", "57014", "25006", "58030"})
_UNAVAILABLE_CLASSES = ("08", "53")  # connections; resources: disk, memory, connections

# https://mariadb.com/kb/en/mariadb-error-codes/
_CONFLICT_NUMBERS = frozenset({1020, 1205, 1213})
_UNAVAILABLE_NUMBERS = frozenset({1021, 1040, 1047, 1053, 1203, 1290, 1836, 1969, 2002, 2003, 2006, 2013})

_CONFLICT_TEXTS = ("locked",)
_UNAVAILABLE_TEXTS = ("unable to open", "disk is full", "disk I/O error", "readonly database")


def transience_of(error: BaseException) -> Transience | None:
    """What kind of passing trouble an error tells of; `None` for one that would come again."""
    if isinstance(error, PoolTimeoutError):
        return "unavailable"
    if not isinstance(error, DBAPIError):
        return None
    return "unavailable" if error.connection_invalidated else _of_driver(error)


def _of_driver(error: DBAPIError) -> Transience | None:
    arguments: tuple[Any, ...] = getattr(error.orig, "args", ())
    if arguments and isinstance(arguments[0], int):
        return _of_number(arguments[0])
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state:
        return _of_state(state)
    if isinstance(error, InterfaceError):
        return "unavailable"
    return _of_text(str(error.orig)) if isinstance(error, OperationalError) else None


def _of_state(state: str) -> Transience | None:
    if state in _CONFLICT_STATES:
        return "conflict"
    return "unavailable" if state in _UNAVAILABLE_STATES or state.startswith(_UNAVAILABLE_CLASSES) else None


def _of_number(number: int) -> Transience | None:
    if number in _CONFLICT_NUMBERS:
        return "conflict"
    return "unavailable" if number in _UNAVAILABLE_NUMBERS else None


def _of_text(text: str) -> Transience | None:
    if any(part in text for part in _CONFLICT_TEXTS):
        return "conflict"
    return "unavailable" if any(part in text for part in _UNAVAILABLE_TEXTS) else None
