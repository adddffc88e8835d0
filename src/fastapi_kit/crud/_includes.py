"""Related rows that a client may have with a row: declared by the user, compiled against the model's relationships."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, RelationshipDirection, RelationshipProperty

from fastapi_kit.crud._attributes import Attribute, Mapped, read_model
from fastapi_kit.crud._bodies import check_fields
from fastapi_kit.crud._derive import derive_read
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._keys import unique_keys
from fastapi_kit.crud._order import Order, read_order
from fastapi_kit.crud._readings import Reading

MOST_RELATED = 1_000


@dataclass(frozen=True)
class One:
    """A row that this one refers to: joined to it.

    Args:
        read: The schema of the related row; derived from its columns if left out.
    """

    read: type[BaseModel] | None = None


@dataclass(frozen=True)
class Many:
    """Rows that refer to this one, or are linked to it: read by one more statement, whatever the page's length.

    Args:
        read: The schema of a related row; derived from its columns if left out.
        limit: Related rows at most of each row, the first ones in their order.
        sort: Their order, in the grammar of the parameter `sort`; by key if left out.
    """

    read: type[BaseModel] | None = None
    limit: int = 50
    sort: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST_RELATED:
            raise ResourceError(f"{type(self).__name__}: limit={self.limit} is not between 1 and {MOST_RELATED}")


@dataclass(frozen=True)
class Links(Many):
    """Many-to-many: the same, and clients link and unlink rows by `PUT` and `DELETE /books/{id}/tags/{tag_id}`."""


@dataclass(frozen=True)
class Related:
    """An include, compiled."""

    name: str
    """The relationship's name, by which clients ask for it."""
    declared: One | Many
    relationship: RelationshipProperty[Any]
    mapped: Mapped
    """The related model."""
    reading: Reading
    order: tuple[Order, ...]

    @property
    def many(self) -> bool:
        """Whether there is a list of related rows, rather than one or none."""
        return isinstance(self.declared, Many)

    @property
    def annotation(self) -> Any:
        """The annotation of the member."""
        model: Any = self.reading.model
        return list[model] if self.many else model | None


def compile_includes(mapped: Mapped, declared: Mapping[str, One | Many]) -> dict[str, Related]:
    """Check includes against the relationships of a model.

    Raises:
        ResourceError: There is no such relationship, or it is of another kind; the message names those that there are.
    """
    return {name: _related(mapped, name, include) for name, include in declared.items()}


def related_model(mapped: Mapped, name: str) -> tuple[RelationshipProperty[Any], Mapped]:
    """The relationship `name`, and the model at its other end.

    Raises:
        ResourceError: There is none.
    """
    relationship = mapped.mapper.relationships.get(name)
    if relationship is None:
        known = ", ".join(sorted(mapped.mapper.relationships.keys())) or "none"
        raise ResourceError(f"{name!r} is no relationship of {mapped.model.__name__}; there are: {known}")
    model: type[DeclarativeBase] = relationship.mapper.class_
    return relationship, read_model(model)


def _related(mapped: Mapped, name: str, declared: One | Many) -> Related:
    relationship, target = related_model(mapped, name)
    if name in mapped.attributes or "__" in name:
        raise ResourceError(f"{mapped.model.__name__}.{name}: a relationship of this name cannot be included")
    if relationship.uselist is not isinstance(declared, Many):
        raise ResourceError(f"{name}: {'Many' if relationship.uselist else 'One'} is what the relationship is")
    if isinstance(declared, One):
        _check_is_one(mapped, relationship, target)
    if isinstance(declared, Links) and relationship.secondary is None:
        raise ResourceError(f"{name}: Links needs a relationship with secondary=, a table of pairs")
    read = declared.read or derive_read(
        f"{target.model.__name__}Included", [it for it in target.attributes.values() if not it.hidden]
    )
    check_fields(read.__name__, read.model_fields, target.attributes, target.model.__name__)
    try:
        order = read_order(declared.sort if isinstance(declared, Many) else "", target.attributes, target.keys)
    except KeyError as error:
        raise ResourceError(f"{name}: sort= names {error}, which is no column of {target.model.__name__}") from None
    return Related(name, declared, relationship, target, Reading.of(read, target.attributes), order)


def _check_is_one(mapped: Mapped, relationship: RelationshipProperty[Any], target: Mapped) -> None:
    """See that there is one related row at most: two that are joined would bring the row itself twice.

    Raises:
        ResourceError: The database lets there be more.
    """
    to_one = relationship.direction is RelationshipDirection.MANYTOONE
    # A pair is of the column that is referred to, and the one that refers to it.
    joined = {pair[0] if to_one else pair[1] for pair in relationship.synchronize_pairs}
    table: Any = target.table if relationship.secondary is None else relationship.secondary
    keys = unique_keys(cast("sa.Table", table)) if isinstance(table, sa.Table) else ()
    if not any(joined.issuperset(key) for key in keys):
        raise ResourceError(
            f"{relationship.key}: more than one {target.model.__name__} could belong to a {mapped.model.__name__}: "
            f"give {table} a unique constraint on {', '.join(sorted(str(column.key) for column in joined))}, or make "
            "the relationship a list and include it by Many"
        )


def included_key(related: Related) -> Attribute:
    """A column of the related row that is null only if there is no such row."""
    return related.mapped.keys[0]
