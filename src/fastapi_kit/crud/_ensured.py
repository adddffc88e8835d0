"""A write that undoes itself: its own statement sees whether the row that it has stored is in scope. Pure.

Theory of operation. The statement of a write returns the row, and beside it one value more, which is computed from the
stored row: 1 if the row is in scope, and otherwise an error of the database, which takes the statement back whole. So
it is the row itself that is judged, after defaults, conversions, generated columns and triggers that run before it is
stored, by the database's own comparison; no BEGIN and no COMMIT are needed, and no second look. What the error stands
for is then found out by the long way, in a transaction, so that a write is answered alike by both.

It is only done where the condition is a plain expression of the row's own columns. A subquery, or a function that reads
tables, would see the table as it was before the statement.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import elements, operators, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from fastapi_kit.crud._scope import Condition

_WORDS = "the row would be out of scope"
"""What PostgreSQL's log tells of a write that was undone."""
_OVERFLOW = "integer overflow"
"""SQLite's error of `abs()` of the one number that has no positive counterpart."""


class LeavesScopeError(Exception):
    """The row would be out of scope; nothing is stored."""


class Ensured(FunctionElement[int]):
    """`Ensured(condition)`: 1 where it holds; where it does not, or is null, an error that undoes the statement."""

    name = "ensured"
    type = sa.Integer()
    inherit_cache = True


@compiles(Ensured, "postgresql")
def _postgresql(element: Ensured, compiler: SQLCompiler, **options: Any) -> str:
    condition = compiler.process(element.clauses, **options)
    return f"CAST(CASE WHEN {condition} THEN '1' ELSE '{_WORDS}' END AS INTEGER)"


@compiles(Ensured, "sqlite")
def _sqlite(element: Ensured, compiler: SQLCompiler, **options: Any) -> str:
    condition = compiler.process(element.clauses, **options)
    return f"abs(CASE WHEN {condition} THEN 1 ELSE -9223372036854775807 - 1 END)"


_DIALECTS = frozenset({"postgresql", "sqlite"})

_PLAIN = (
    elements.BinaryExpression,
    elements.BindParameter,
    elements.Case,
    elements.ClauseList,
    elements.ExpressionClauseList,
    elements.False_,
    elements.Grouping,
    elements.Null,
    elements.True_,
    elements.UnaryExpression,
)
"""What only computes with the values that it is given."""


def can_be_ensured(conditions: Iterable[Condition], table: sa.FromClause) -> bool:
    """Whether conditions are plain expressions of the columns of `table`."""
    return all(_is_plain(it, table) for condition in conditions for it in visitors.iterate(condition))


def ensures(dialect: sa.Dialect) -> bool:
    """Whether a database can see to it."""
    return dialect.name in _DIALECTS


def undone(error: DBAPIError) -> bool:
    """Whether this is the error of an `Ensured`."""
    told = str(error.orig)
    return _OVERFLOW in told if getattr(error.orig, "sqlstate", None) is None else _WORDS in told


def _is_plain(element: Any, table: sa.FromClause) -> bool:
    if isinstance(element, sa.Column):
        return element.table is table
    operator = getattr(element, "operator", None)
    # An operator of one's own may be any text, and any function of the database.
    return isinstance(element, _PLAIN) and not isinstance(operator, operators.custom_op)
