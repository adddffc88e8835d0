"""The filters of a list, and the columns of a search: which column each one reads, maybe through relationships."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, RelationshipProperty

from fastapi_kit.crud._attributes import Attribute, Mapped
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._includes import related_model
from fastapi_kit.crud._parsing import Parse, text_parser
from fastapi_kit.crud._types import TEXT

MOST_VALUES = 100
"""Values at most of one list operator."""
RESERVED = frozenset({"limit", "page", "sort", "cursor", "count", "fields", "include", "search", "deleted"})
"""Parameters that have a meaning of their own; a column of such a name has only the long form, `limit__eq`."""


@dataclass(frozen=True)
class NamedFilter:
    """A filter of one's own, by a name of its own.

        Query(filter={"near": NamedFilter(float, lambda km: distance(City.latitude, City.longitude) < km)})

    Args:
        value: The type of the parameter's value, maybe `Annotated`, as pydantic reads it from text.
        condition: Called once, when the router is made, with a bind parameter in place of the value.
        type_: The value's SQL type, where `condition` does not compare it with a column that tells it.
    """

    value: Any
    condition: Callable[[sa.BindParameter[Any]], sa.ColumnElement[bool]]
    type_: sa.types.TypeEngine[Any] | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """One relationship on the way to a column."""

    relationship: RelationshipProperty[Any]
    model: type[DeclarativeBase]
    """The model at its other end."""


@dataclass(frozen=True, eq=False)
class Target:
    """A column, of the resource itself or at the end of relationships."""

    steps: tuple[Step, ...]
    attribute: Attribute

    @property
    def path(self) -> tuple[str, ...]:
        """The names of the relationships."""
        return tuple(step.relationship.key for step in self.steps)


@dataclass(frozen=True, eq=False)
class Filter:
    """One filter: a column, an operator, and how its value is read."""

    parameter: str
    """`population__gte`."""
    operator: str
    """Of a named filter, empty."""
    annotation: Any
    """The type of one value, for OpenAPI."""
    parse: Parse
    """Reads one value from the query string; raises `pydantic.ValidationError`."""
    target: Target | None = None
    """What is compared; `None` for a named filter."""
    condition: sa.ColumnElement[bool] | None = None
    """That of a named filter."""

    @property
    def many(self) -> bool:
        """Whether the parameter may be repeated, each time with one more value."""
        return self.operator in {"in", "not_in"}

    @property
    def splits_on_comma(self) -> bool:
        """Whether `a,b` is two values."""
        return self.many and self.target is not None and self.target.attribute.kind.splits_on_comma


def compile_filters(
    declared: Mapping[str, Collection[str] | NamedFilter] | None, mapped: Mapped, visible: Mapping[str, Attribute]
) -> dict[str, Filter]:
    """The filters by parameter, in the long form and, for `eq`, in the short one.

    Raises:
        ResourceError: A column or operator is not there, or hidden.
    """
    if declared is None:
        declared = {name: column.kind.operators for name, column in visible.items() if column.kind.operators}
    filters: dict[str, Filter] = {}
    for name, operators in declared.items():
        if isinstance(operators, NamedFilter):
            filters[name] = _named(name, operators, visible)
            continue
        target = target_of(name, mapped, visible)
        for operator in _known(name, operators, target.attribute):
            made = _filter(name, target, operator)
            filters[made.parameter] = made
            if operator == "eq" and name not in RESERVED:
                filters[name] = made
    return filters


def targets_of(paths: Collection[str], mapped: Mapped, visible: Mapping[str, Attribute]) -> tuple[Target, ...]:
    """The columns of a search.

    Raises:
        ResourceError: One is not there, hidden, or no text.
    """
    targets = tuple(target_of(path, mapped, visible) for path in sorted(paths))
    for path, target in zip(sorted(paths), targets, strict=True):
        if not target.attribute.kind.operators >= TEXT - {"isnull"}:
            raise ResourceError(f"search: {path} is no column of text")
    return targets


def target_of(path: str, mapped: Mapped, visible: Mapping[str, Attribute]) -> Target:
    """The column that `author.name` leads to.

    Raises:
        ResourceError: It leads nowhere, or to what is hidden.
    """
    *relationships, name = path.split(".")
    steps: list[Step] = []
    for relationship_name in relationships:
        relationship, mapped = related_model(mapped, relationship_name)
        steps.append(Step(relationship, mapped.model))
        visible = {it.name: it for it in mapped.attributes.values() if not it.hidden}
    if name not in visible:
        raise ResourceError(f"{path!r} is no column that clients can read; those are {', '.join(sorted(visible))}")
    return Target(tuple(steps), visible[name])


def _known(name: str, operators: Collection[str], attribute: Attribute) -> list[str]:
    # A declared set such as RANGE holds `isnull`, which a column that is never null has no use for.
    unknown = set(operators) - attribute.kind.operators - {"isnull"}
    if unknown or not operators:
        known = ", ".join(sorted(attribute.kind.operators))
        raise ResourceError(f"{name}: no operators {', '.join(sorted(unknown))}; there are {known}")
    return sorted(set(operators) & attribute.kind.operators)


def _filter(name: str, target: Target, operator: str) -> Filter:
    annotation = bool if operator == "isnull" else target.attribute.kind.value
    return Filter(f"{name}__{operator}", operator, annotation, text_parser(annotation), target)


def _named(name: str, named: NamedFilter, visible: Mapping[str, Attribute]) -> Filter:
    if name in visible or name in RESERVED or "__" in name:
        raise ResourceError(f"filter {name!r}: a filter of one's own needs a name that nothing else has")
    condition = named.condition(sa.bindparam(name, type_=named.type_))
    return Filter(name, "", named.value, text_parser(named.value), condition=condition)
