"""Columns in the form in which they are read, for the databases that store something else.

Theory of operation. A cursor holds what was read from a row. Pages fit together only if the database orders and
compares by just that: if it keeps a finer value than it answers, a row is found beyond its own position, again and
again, or its equals are skipped. This is so in few cases, and only there a column is wrapped, which costs its index:

- SQLite keeps datetimes as text. SQLAlchemy writes `2024-01-31 12:00:00.000000`; SQL's CURRENT_TIMESTAMP writes
  `2024-01-31 12:00:00`, which is the same instant and a smaller text. A column that SQL itself may write is completed.
- SQLite keeps a `Numeric` as a double: 1.1 * 3 is stored as 3.3000000000000003 and read as 3.30. It is rounded.
- MariaDB keeps a `Float` in 4 bytes and answers 6 digits of it: it is compared as these digits.
- MariaDB orders an ENUM by declaration, as PostgreSQL does, but compares it as text: it is compared by its place.

Both sides of a comparison are wrapped alike, and so is the term of an ORDER BY.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

_PYTHON_PLACES = 10
"""Places to which SQLAlchemy reads a `Numeric` without a scale."""


class AsRead(FunctionElement[Any]):
    """`AsRead(value, column)`: `value`, which is the column or a bind parameter of its type, as the column is read."""

    name = "as_read"
    inherit_cache = True


def _parts(element: AsRead, compiler: SQLCompiler) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any], Any]:
    value, column = element.clauses
    stored: TypeEngine[Any] = column.type.dialect_impl(compiler.dialect)
    while isinstance(stored, sa.TypeDecorator):
        stored = stored.impl_instance
    return value, column, stored


@compiles(AsRead)
def _plain(element: AsRead, compiler: SQLCompiler, **options: Any) -> str:
    value, _ = element.clauses
    return compiler.process(value, **options)


@compiles(AsRead, "sqlite")
def _sqlite(element: AsRead, compiler: SQLCompiler, **options: Any) -> str:
    value, column, stored = _parts(element, compiler)
    rendered = compiler.process(value, **options)
    if isinstance(stored, sa.Numeric) and stored.asdecimal:
        return f"round({rendered}, {_places(stored)})"
    if isinstance(stored, sqlite.DATETIME | sqlite.TIME) and _may_lack_microseconds(column, compiler.dialect):
        return f"substr({rendered} || '.000000', 1, {26 if isinstance(stored, sqlite.DATETIME) else 15})"
    return rendered


def _places(stored: Any) -> int:
    for places in (stored.decimal_return_scale, stored.scale):
        if places is not None:
            return int(places)
    return _PYTHON_PLACES


def _may_lack_microseconds(column: sa.ColumnElement[Any], dialect: sa.Dialect) -> bool:
    """Whether SQL, and not SQLAlchemy alone, writes the column, by anything but a `strftime` with all six digits."""
    if not isinstance(column, sa.Column) or column.computed is not None or column.server_onupdate is not None:
        return True
    defaults = (column.default, column.onupdate)
    written: list[object] = [default for default in defaults if default is not None and default.is_clause_element]
    if column.server_default is not None:
        written.append(column.server_default)
    return any("%f000" not in _sql(getattr(default, "arg", ""), dialect) for default in written)


def _sql(argument: Any, dialect: sa.Dialect) -> str:
    return argument if isinstance(argument, str) else str(argument.compile(dialect=dialect))


@compiles(AsRead, "mysql")
@compiles(AsRead, "mariadb")
def _mariadb(element: AsRead, compiler: SQLCompiler, **options: Any) -> str:
    value, _, stored = _parts(element, compiler)
    rendered = compiler.process(value, **options)
    if isinstance(stored, mysql.ENUM):
        labels = (compiler.render_literal_value(label, sa.String()) for label in stored.enums)
        return f"NULLIF(FIELD({rendered}, {', '.join(labels)}), 0)"
    if isinstance(stored, sa.Float) and not isinstance(stored, sa.Double):
        return f"(CAST({rendered} AS CHAR) + 0e0)"
    return rendered
