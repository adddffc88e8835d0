"""Conditions that mean the same on every database.

Each is a SQLAlchemy construct that is rendered by dialect, since statements are built before it is known which database
will run them.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

ESCAPE = "/"
RAW = "__raw"
"""Ends the name of the bind parameter that holds the text of a match, beside that of its pattern."""


def escape_like(value: str) -> str:
    """`value` as a LIKE pattern that matches just itself."""
    return value.replace(ESCAPE, ESCAPE * 2).replace("%", f"{ESCAPE}%").replace("_", f"{ESCAPE}_")


class _TextMatch(FunctionElement[bool]):
    """A case-sensitive match of a column with a LIKE pattern, or with the raw text where LIKE ignores case."""

    type = sa.Boolean()
    inherit_cache = True


class Contains(_TextMatch):
    """`Contains(column, pattern, raw)`: the text holds `raw`; `pattern` is `%raw%`, escaped."""

    name = "contains"
    inherit_cache = True


class StartsWith(_TextMatch):
    """`StartsWith(column, pattern, raw)`: the text begins with `raw`; `pattern` is `raw%`, escaped."""

    name = "starts_with"
    inherit_cache = True


@compiles(_TextMatch)
def _like(element: _TextMatch, compiler: SQLCompiler, **options: Any) -> str:
    column, pattern, _ = element.clauses
    return compiler.process(column.like(pattern, escape=ESCAPE), **options)


@compiles(Contains, "sqlite")
def _contains_sqlite(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    column, _, raw = element.clauses
    return compiler.process(sa.func.instr(column, raw) > 0, **options)


@compiles(StartsWith, "sqlite")
def _starts_with_sqlite(element: StartsWith, compiler: SQLCompiler, **options: Any) -> str:
    column, _, raw = element.clauses
    return compiler.process(sa.func.substr(column, 1, sa.func.length(raw)) == raw, **options)
