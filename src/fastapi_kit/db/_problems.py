"""What a client is told about an error of the database: a 409, a 422 or a 503, and never the database's own words."""

from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from fastapi_kit.db._violations import Violation, ViolationKind, violation_of
from fastapi_kit.errors import ConflictError, Problem, ServiceUnavailableError, UnprocessableContentError

_RETRY_AFTER = 1
"""Seconds after which a client may try again."""

_DETAILS: dict[ViolationKind, str] = {
    "unique": "A row with the same unique values exists already.",
    "foreign_key": "The row refers to one that does not exist.",
    "check": "The values are refused by a rule of the database.",
    "not_null": "A required value is missing.",
}

_DETAILS_WITHOUT_FIELDS: dict[ViolationKind, str] = {
    # Not the row's own reference, as that would be one of its fields: one of the others' is the likely one.
    "foreign_key": "The row is referred to by others, or refers to one that does not exist.",
}

# Serialization failure, deadlock, lock not available, too many connections, shutting down, starting up, cancelled.
_RETRYABLE_STATES = frozenset({"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03", "57014"})
_RETRYABLE_NUMBERS = frozenset({1040, 1205, 1213, 2002, 2003, 2006, 2013})

DATABASE_ERRORS = (DBAPIError, PoolTimeoutError)
"""What `as_problem` translates: errors of the driver, and no free connection in time."""


def as_problem(error: Exception) -> Problem | None:
    """Translate an error of the database; `None` if it tells of a fault in the program.

    A violated constraint is a 409, a value that no column can hold a 422, a database that is busy or out of reach a 503
    with `Retry-After`.
    """
    if isinstance(error, PoolTimeoutError):
        return _unavailable()
    if not isinstance(error, DBAPIError):
        return None
    violation = violation_of(error)
    if violation is not None:
        return conflict(violation, ())
    if isinstance(error, DataError) or _sqlstate(error).startswith("22"):
        return UnprocessableContentError("A value is outside of what its column can hold.")
    return _unavailable() if _is_temporary(error) else None


def conflict(violation: Violation, fields: tuple[str, ...]) -> ConflictError:
    """The 409 for a violated constraint; `fields` are the names that the client knows the columns by."""
    detail = _DETAILS[violation.kind]
    if not fields:
        detail = _DETAILS_WITHOUT_FIELDS.get(violation.kind, detail)
    return ConflictError(detail, extensions={"violation": violation.kind, "fields": list(fields)})


def _unavailable() -> ServiceUnavailableError:
    return ServiceUnavailableError("The database cannot be reached.", retry_after=_RETRY_AFTER)


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _is_temporary(error: DBAPIError) -> bool:
    arguments: tuple[Any, ...] = getattr(error.orig, "args", ())
    if arguments and isinstance(arguments[0], int):
        return arguments[0] in _RETRYABLE_NUMBERS
    state = _sqlstate(error)
    if state:
        return state in _RETRYABLE_STATES or state.startswith("08")
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    message = str(error.orig)
    return isinstance(error, OperationalError) and ("locked" in message or "unable to open" in message)
