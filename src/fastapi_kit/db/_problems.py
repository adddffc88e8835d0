"""What a client is told about an error of the database: a 409, a 422 or a 503, and never the database's own words."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from fastapi_kit.db._transient import transience_of
from fastapi_kit.db._violations import Violation, ViolationKind, violation_of
from fastapi_kit.errors import ConflictError, Problem, ServiceUnavailableError, UnprocessableContentError

_RETRY_AFTER = 1
"""Seconds after which a client may try again."""


class TransactionConflictError(ServiceUnavailableError):
    """Others were changing the same rows, and the database gave this transaction up; the same request may succeed."""

    title = "Transaction conflict"


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

DATABASE_ERRORS = (DBAPIError, PoolTimeoutError)
"""What `as_problem` translates: errors of the driver, and no free connection in time."""


def as_problem(error: Exception) -> Problem | None:
    """Translate an error of the database; `None` if it tells of a fault in the program.

    A violated constraint is a 409 and a value that no column can hold a 422. A database that gave the transaction up
    for another one, cannot be reached, or does not answer in time, is a 503 with `Retry-After`.
    """
    match transience_of(error):
        case "conflict":
            return transaction_conflict()
        case "unavailable":
            return ServiceUnavailableError("The database cannot answer for now.", retry_after=_RETRY_AFTER)
        case None:
            return _of_statement(error) if isinstance(error, DBAPIError) else None


def _of_statement(error: DBAPIError) -> Problem | None:
    violation = violation_of(error)
    if violation is not None:
        return conflict(violation, ())
    if isinstance(error, DataError) or str(getattr(error.orig, "sqlstate", None) or "").startswith("22"):
        return UnprocessableContentError("A value is outside of what its column can hold.")
    return None


TRANSLATIONS: Mapping[type[Exception], Callable[[Exception], Problem | None]] = MappingProxyType(
    dict.fromkeys(DATABASE_ERRORS, as_problem)
)
"""`as_problem` as `fastapi_kit.errors.install` takes it, for errors of sessions that are not the request's."""


def conflict(violation: Violation, fields: tuple[str, ...]) -> ConflictError:
    """The 409 for a violated constraint; `fields` are the names that the client knows the columns by."""
    detail = _DETAILS[violation.kind]
    if not fields:
        detail = _DETAILS_WITHOUT_FIELDS.get(violation.kind, detail)
    return ConflictError(detail, extensions={"violation": violation.kind, "fields": list(fields)})


def transaction_conflict() -> TransactionConflictError:
    """The 503 for a transaction that the database gave up."""
    return TransactionConflictError("Others were changing the same rows.", retry_after=_RETRY_AFTER)
