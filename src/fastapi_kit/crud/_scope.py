"""Which rows there are for whom: conditions that are compiled into every statement.

Theory of operation. A scope is one condition on a model's rows. Written as an expression, in which `of_principal`
stands for what depends on the request, it is part of the statements that are prepared when the router is made, and a
request only brings values. Written as a function, it may differ in form from principal to principal, and statements are
then built for each request: a free choice that costs time. Either way every statement is built from the same
conditions, so there is no operation that could forget them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import AliasedReturnsRows
from sqlalchemy.types import TypeEngine

from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._traits import OfPrincipal

Condition = sa.ColumnElement[bool]
Scope = Condition | Callable[[Any], Condition]
"""A condition, or a function that makes one for a principal."""
Model = type[DeclarativeBase]

_numbers = count()


class _OfPrincipal(sa.BindParameter[Any]):
    """A bind parameter that knows how to get its value from the principal."""

    inherit_cache = True
    value_of: OfPrincipal


def of_principal(value: OfPrincipal, type_: TypeEngine[Any] | None = None) -> Any:
    """What a scope has in place of a value that depends on who asks.

        scope=Book.owner_id == of_principal(lambda user: user.id)

    Args:
        value: Called with the principal, for each request.
        type_: The value's SQL type, where it is not compared with a column that tells it.
    """
    made = _OfPrincipal(f"principal__{next(_numbers)}", required=True, type_=type_)
    made.value_of = value
    return made


@dataclass(frozen=True)
class Conditions:
    """The conditions that hold in one request."""

    own: tuple[Condition, ...] = ()
    """Of the resource's rows."""
    related: Mapping[Model, Condition] = field(default_factory=dict[Model, Condition])
    """Of the rows of other models, where there are any."""

    in_use: Mapping[Model, Condition] = field(default_factory=dict[Model, Condition])
    """Of the rows of models whose deletion is soft, where deleted ones are not meant."""

    def of(self, model: Model) -> tuple[Condition, ...]:
        """Those of the rows of a related model, be they in use or not: what may be referred to."""
        return (self.related[model],) if model in self.related else ()

    def shown(self, model: Model) -> tuple[Condition, ...]:
        """Those of the related rows that are shown and asked about."""
        return (*self.of(model), self.in_use[model]) if model in self.in_use else self.of(model)

    def deciding(self, model: Model) -> frozenset[str] | None:
        """The keys of the columns that decide whether a row of `model` is in scope; `None` if every row is.

        Where the condition reads the table under another name, or holds SQL as text, that may be any column.
        """
        (condition,) = self.of(model) or (sa.true(),)
        if isinstance(condition, sa.True_):
            return None
        table = model.__table__
        found = list(visitors.iterate(condition))
        if any(_is_opaque(it, table) for it in found):
            return frozenset(table.columns.keys())
        return frozenset(it.key for it in found if isinstance(it, sa.Column) and it.table is table)


class Scopes:
    """The scopes of a router's own model and of those that are related to it.

    Attributes:
        is_fixed: Whether the conditions are the same for all principals, but for their values.
    """

    def __init__(self, model: Model, declared: Scope | Mapping[Model, Scope] | None) -> None:
        self._by_model = _by_model(model, declared)
        self._values = tuple(_values_of(self._by_model.values()))
        self.is_fixed = not any(_is_function(scope) for scope in self._by_model.values())

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._by_model)

    @property
    def models(self) -> frozenset[Model]:
        """The models that have one."""
        return frozenset(self._by_model)

    def conditions(self, principal: Any) -> dict[Model, Condition]:
        """The condition of each model; `principal` is not looked at if they are fixed."""
        return {
            model: _made_by(scope, principal, model) if _is_function(scope) else cast("Condition", scope)
            for model, scope in self._by_model.items()
        }

    def values(self, principal: Any) -> dict[str, Any]:
        """The values of the `of_principal` in expressions, by bind parameter."""
        return {name: value_of(principal) for name, value_of in self._values}


def values_of(condition: Condition, principal: Any) -> dict[str, Any]:
    """The values of the `of_principal` in one condition."""
    return {name: value_of(principal) for name, value_of in _values_of([condition])}


def _by_model(model: Model, declared: Scope | Mapping[Model, Scope] | None) -> dict[Model, Scope]:
    if declared is None:
        return {}
    scopes = cast("Mapping[Model, Scope]", declared if isinstance(declared, Mapping) else {model: declared})
    for scope in scopes.values():
        if not isinstance(scope, sa.ColumnElement) and not callable(scope):
            raise ResourceError(f"scope={scope!r}: give a condition of SQLAlchemy, or a function that makes one")
    return {
        model: scope if _is_function(scope) else _pinned(cast("Condition", scope), model)
        for model, scope in scopes.items()
    }


def _made_by(scope: Scope, principal: Any, model: Model) -> Condition:
    condition = cast("Callable[[Any], object]", scope)(principal)
    if not isinstance(condition, sa.ColumnElement):
        raise ResourceError(
            f"the scope of {model.__name__} made {condition!r}: let it make a condition of SQLAlchemy, such as "
            "sa.true() or sa.false()"
        )
    return _pinned(cast("Condition", condition), model)


def _pinned(condition: Condition, model: Model) -> Condition:
    """Let the subqueries of a scope mean the row in question where they name its table, and nothing else around them.

    SQLAlchemy would take any table of theirs that is also in the statement around for the one that stands there, and a
    scope is put into statements that its author has not seen.
    """

    def pin(element: Any, **_: Any) -> Any:
        if not isinstance(element, sa.Select):
            return None
        select = cast("Any", element)
        own = [it for it in select.get_final_froms() if it != model.__table__]
        return select.correlate_except(*own) if own and select._auto_correlate else select  # noqa: SLF001

    pinned: Condition = visitors.replacement_traverse(condition, {}, pin)
    return pinned


def _is_opaque(element: Any, table: sa.FromClause) -> bool:
    """Whether a part of a condition may read columns of `table` without naming them."""
    if isinstance(element, AliasedReturnsRows):
        return bool(element.element == table)
    if isinstance(element, sa.ColumnClause) and element.is_literal:
        return element.name not in {"1", "*"}  # as in EXISTS (SELECT 1 …)
    return isinstance(element, sa.TextClause)


def _is_function(scope: Scope) -> bool:
    return not isinstance(scope, sa.ColumnElement)


def _values_of(scopes: Iterable[Scope]) -> Iterator[tuple[str, OfPrincipal]]:
    for scope in scopes:
        if not _is_function(scope):
            for element in visitors.iterate(cast("Condition", scope)):
                if isinstance(element, _OfPrincipal):
                    yield element.key, element.value_of
