"""The columns of a model, as a router sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapper

from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._types import SEGMENT, Kind, kind_of
from fastapi_kit.db import HIDDEN, READ_ONLY


@dataclass(frozen=True, eq=False)
class Attribute:
    """A mapped column."""

    name: str
    """The mapped attribute's name, by which clients know it."""
    column: sa.Column[Any]

    @cached_property
    def kind(self) -> Kind:
        """What the column is to a client.

        Raises:
            ResourceError: Its type has no JSON form.
        """
        return kind_of(self.column)

    @property
    def written(self) -> Any:
        """The annotation of a value in a derived body."""
        return self._addressable(self.kind.written)

    @property
    def stored(self) -> Any:
        """The annotation of all that the column can hold; `Any` if its type has no JSON form."""
        try:
            return self._addressable(self.kind.stored)
        except ResourceError:
            return Any

    def _addressable(self, annotation: Any) -> Any:
        """A key of text must fit into a path, or its row could be made but never found."""
        return Annotated[annotation, SEGMENT] if self.column.primary_key and self.kind.read is str else annotation

    @property
    def hidden(self) -> bool:
        """Clients do not know that it exists."""
        return self.column.info.items() >= HIDDEN.items()

    @property
    def read_only(self) -> bool:
        """The server alone writes it: by mark, or because the database makes it."""
        return self.column.info.items() >= READ_ONLY.items() or self.made_by_database

    @property
    def made_by_database(self) -> bool:
        """The database computes or counts its values."""
        column = self.column
        return bool(
            column.computed is not None or column.identity is not None or column is column.table.autoincrement_column
        )

    @property
    def has_default(self) -> bool:
        """A row can be made without a value for it."""
        column = self.column
        given = bool(column.nullable) or column.default is not None or column.server_default is not None
        return given or self.made_by_database

    @property
    def constant_default(self) -> Any:
        """The value that a row without one gets, if that is always the same; else `...`."""
        default = self.column.default
        if default is not None:
            return default.arg if isinstance(default, sa.ColumnDefault) and default.is_scalar else ...
        return None if self.column.nullable and self.column.server_default is None else ...


@dataclass(frozen=True)
class Mapped:
    """A model's table, its key and its attributes, hidden ones too."""

    model: type[DeclarativeBase]
    table: sa.Table
    key: Attribute
    attributes: Mapping[str, Attribute]


def read_model(model: type[DeclarativeBase]) -> Mapped:
    """Look at how `model` is mapped.

    Raises:
        ResourceError: It cannot be served; the message names the cure.
    """
    mapper = cast("Mapper[Any]", sa.inspect(model))
    if mapper.inherits is not None or not _is_table(mapper.local_table):
        raise ResourceError(f"{model.__name__} must be mapped to one table of its own")
    table = cast("sa.Table", mapper.local_table)
    attributes: dict[str, Attribute] = {}
    for mapped in mapper.column_attrs:
        column = mapped.columns[0]
        if not isinstance(column, sa.Column):
            continue  # a column_property(): an expression of the ORM, not a column of the table
        if "__" in mapped.key:
            raise ResourceError(
                f"{model.__name__}.{mapped.key}: '__' stands between a column and its operator; rename it"
            )
        attributes[mapped.key] = Attribute(mapped.key, column)
    return Mapped(model, table, _key(model, table, attributes), attributes)


def _is_table(selectable: object) -> bool:
    return isinstance(selectable, sa.Table)


def _key(model: type[DeclarativeBase], table: sa.Table, attributes: Mapping[str, Attribute]) -> Attribute:
    keys = [attribute for attribute in attributes.values() if attribute.column.primary_key]
    if len(keys) != 1 or len(table.primary_key.columns) != 1:
        raise ResourceError(f"{model.__name__} must have a primary key of exactly one column, and map it")
    key = keys[0]
    if key.hidden:
        raise ResourceError(f"{model.__name__}.{key.name}: a hidden primary key leaves clients no way to name a row")
    if "eq" not in key.kind.operators:
        raise ResourceError(f"{model.__name__}.{key.name}: rows cannot be found by a key of type {key.column.type!r}")
    return key
