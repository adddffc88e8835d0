"""From the filters and words of a request to SQL. Pure.

A condition on related rows is a semi-join (EXISTS), so no row comes twice; conditions that go the same way through
relationships are about one and the same related row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipProperty

from fastapi_kit.crud._filters import Filter, Step, Target
from fastapi_kit.crud._scope import Condition, Conditions
from fastapi_kit.crud._sql import ESCAPE, RAW, Contains, StartsWith


def filter_conditions(entries: Sequence[str], filters: Mapping[str, Filter], conditions: Conditions) -> list[Condition]:
    """The conditions of filters in use, as `Shape.filters` names them."""
    made: list[Condition] = []
    by_way: dict[tuple[Step, ...], list[Condition]] = {}
    for entry in entries:
        parameter, _, value = entry.partition("=")
        found = filters[parameter]
        if found.target is None:
            assert found.condition is not None  # noqa: S101 - a named filter is its condition
            made.append(found.condition)
        else:
            by_way.setdefault(found.target.steps, []).append(_condition(found, found.target, value))
    for steps, found_conditions in _one_for_each_way(by_way):
        made += found_conditions if not steps else [_exists(steps, found_conditions, conditions)]
    return made


def _one_for_each_way(
    by_way: Mapping[tuple[Step, ...], list[Condition]],
) -> Iterable[tuple[tuple[Step, ...], list[Condition]]]:
    """Targets of one way have steps of their own, which are the same if their relationships are."""
    merged: dict[tuple[RelationshipProperty[Any], ...], tuple[tuple[Step, ...], list[Condition]]] = {}
    for steps, found in by_way.items():
        merged.setdefault(tuple(step.relationship for step in steps), (steps, []))[1].extend(found)
    return merged.values()


def search_condition(targets: Sequence[Target], word: int, conditions: Conditions) -> Condition:
    """Some column of a search holds the word of this number."""
    pattern = sa.bindparam(search_parameter(word), type_=sa.String())
    return sa.or_(
        *(
            _exists(target.steps, [_icontains(target.attribute.column, pattern)], conditions)
            if target.steps
            else _icontains(target.attribute.column, pattern)
            for target in targets
        )
    )


def search_parameter(word: int) -> str:
    """The bind parameter of one word's pattern."""
    return f"search__{word}"


def _icontains(column: sa.ColumnElement[Any], pattern: sa.BindParameter[Any]) -> Condition:
    return column.ilike(pattern, escape=ESCAPE)


def _exists(steps: Sequence[Step], found: Sequence[Condition], conditions: Conditions) -> Condition:
    """There is a related row, in its own scope, for which all of `found` hold."""
    step, *further = steps
    inner = found if not further else [_exists(further, found, conditions)]
    attribute: Any = step.relationship.class_attribute
    exists = attribute.any if step.relationship.uselist else attribute.has
    condition: Condition = exists(sa.and_(*inner, *conditions.shown(step.model)))
    return condition


_Make = Callable[[sa.ColumnElement[Any], Filter, bool], Condition]


def _condition(found: Filter, target: Target, value: str) -> Condition:
    column = target.attribute.column
    if found.operator == "isnull":
        return column.is_(None) if value == "True" else column.is_not(None)
    return _CONDITIONS[found.operator](column, found, target.attribute.nullable)


def _bind(found: Filter, column: sa.ColumnElement[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(found.parameter, type_=column.type, expanding=found.many)


def _text(found: Filter, suffix: str = "") -> sa.BindParameter[Any]:
    return sa.bindparam(found.parameter + suffix, type_=sa.String())


def _different(column: sa.ColumnElement[Any], found: Filter, nullable: bool) -> Condition:
    """Every row that `eq` leaves out, those with null too."""
    condition = column != _bind(found, column)
    return sa.or_(condition, column.is_(None)) if nullable else condition


def _not_in(column: sa.ColumnElement[Any], found: Filter, nullable: bool) -> Condition:
    condition = column.not_in(_bind(found, column))
    return sa.or_(condition, column.is_(None)) if nullable else condition


_CONDITIONS: dict[str, _Make] = {
    "eq": lambda column, found, _: column == _bind(found, column),
    "ne": _different,
    "in": lambda column, found, _: column.in_(_bind(found, column)),
    "not_in": _not_in,
    "lt": lambda column, found, _: column < _bind(found, column),
    "lte": lambda column, found, _: column <= _bind(found, column),
    "gt": lambda column, found, _: column > _bind(found, column),
    "gte": lambda column, found, _: column >= _bind(found, column),
    "contains": lambda column, found, _: Contains(column, _text(found), _text(found, RAW)),
    "startswith": lambda column, found, _: StartsWith(column, _text(found), _text(found, RAW)),
    "icontains": lambda column, found, _: _icontains(column, _text(found)),
}
