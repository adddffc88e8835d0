"""Which constraint a statement violated, told the same way for every database.

Drivers tell it by error codes and by attributes of their exceptions (PostgreSQL), by numbers and message texts
(MariaDB) or by message texts alone (SQLite). None of those texts is ever shown to a client: they hold values.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.exc import DBAPIError

ViolationKind = Literal["unique", "foreign_key", "check", "not_null"]


@dataclass(frozen=True)
class Violation:
    """A constraint that refused a statement."""

    kind: ViolationKind
    table: str | None = None
    constraint: str | None = None
    """The constraint's name, where the database tells it."""
    columns: tuple[str, ...] = ()
    """The columns' names, where the database tells them instead."""


def violation_of(error: DBAPIError) -> Violation | None:
    """Read the violated constraint from a driver's error; `None` if the error is no constraint violation."""
    original = error.orig
    arguments: tuple[Any, ...] = getattr(original, "args", ())
    if len(arguments) > 1 and isinstance(arguments[0], int):
        return _mariadb(arguments[0], str(arguments[1]))
    state = getattr(original, "sqlstate", None)
    if isinstance(state, str):
        return _postgresql(state, original)
    return _sqlite(str(original))


_POSTGRESQL_KINDS: dict[str, ViolationKind] = {
    "23505": "unique",
    "23P01": "unique",  # an exclusion constraint: two rows that may not stand side by side
    "23503": "foreign_key",
    "23001": "foreign_key",
    "23514": "check",
    "23502": "not_null",
}


def _postgresql(state: str, original: BaseException | None) -> Violation | None:
    kind = _POSTGRESQL_KINDS.get(state)
    if kind is None:
        return None
    # asyncpg's own exception is the cause of the DB-API one; psycopg keeps the details in `diag`.
    details: Any = getattr(original, "diag", None) or getattr(original, "__cause__", None)
    column = getattr(details, "column_name", None)
    return Violation(
        kind,
        table=getattr(details, "table_name", None),
        constraint=getattr(details, "constraint_name", None),
        columns=(column,) if column else (),
    )


_MARIADB_KINDS: dict[int, ViolationKind] = {
    1062: "unique",
    1586: "unique",
    1451: "foreign_key",
    1452: "foreign_key",
    4025: "check",
    3819: "check",
    1048: "not_null",
    1364: "not_null",
}
_NO_PARENT = 1452
_MARIADB_NAMES: dict[ViolationKind, re.Pattern[str]] = {
    "unique": re.compile(r"for key '(?:[^']*\.)?([^'.]+)'$"),
    "foreign_key": re.compile(r"CONSTRAINT `([^`]+)` FOREIGN KEY"),
    "check": re.compile(r"^(?:CONSTRAINT|Check constraint) [`'](?:[^`'.]*\.)*([^`'.]+)[`']"),
    "not_null": re.compile(r"^(?:Column|Field) '([^']+)'"),
}


def _mariadb(number: int, message: str) -> Violation | None:
    kind = _MARIADB_KINDS.get(number)
    if kind is None:
        return None
    found = _MARIADB_NAMES[kind].search(message)
    name = found[1] if found else None
    if kind == "not_null":
        return Violation(kind, columns=(name,) if name else ())
    return Violation(kind, constraint=name, columns=_mariadb_references(message) if number == _NO_PARENT else ())


def _mariadb_references(message: str) -> tuple[str, ...]:
    """The columns that refer to a row which is not there; a name that MariaDB gave the constraint would not tell."""
    found = re.search(r" FOREIGN KEY \(([^)]+)\) REFERENCES ", message)
    return tuple(re.findall(r"`([^`]+)`", found[1])) if found else ()


_SQLITE = re.compile(r"^(UNIQUE|FOREIGN KEY|CHECK|NOT NULL) constraint failed(?:: (.*))?$", re.DOTALL)
_SQLITE_KINDS: dict[str, ViolationKind] = {
    "UNIQUE": "unique",
    "FOREIGN KEY": "foreign_key",
    "CHECK": "check",
    "NOT NULL": "not_null",
}


def _sqlite(message: str) -> Violation | None:
    found = _SQLITE.match(message)
    if found is None:
        return None
    kind, rest = _SQLITE_KINDS[found[1]], found[2] or ""
    if kind == "check":
        return Violation(kind, constraint=rest or None)
    if rest.startswith("index '"):
        # A unique index over an expression is told by its name.
        return Violation(kind, constraint=rest.removeprefix("index '").rstrip("'"))
    named = [part.rpartition(".") for part in rest.split(", ") if part]
    return Violation(kind, table=named[0][0] if named else None, columns=tuple(column for _, _, column in named))
