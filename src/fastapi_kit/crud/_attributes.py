"""The columns of a model, as a router sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapper

from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._types import SEGMENT, Kind, kind_of
from fastapi_kit.db import HIDDEN, READ_ONLY


@dataclass(frozen=True, eq=False)
class Attribute:
    """A mapped column, or an expression that is mapped like one (`column_property`)."""

    name: str
    """The mapped attribute's name, by which clients know it."""
    column: sa.ColumnElement[Any]
    info: Mapping[Any, Any]
    """Marks such as `HIDDEN` and `READ_ONLY`."""
    looked_up: bool = False
    """Its value names a row in a path, although it is not the primary key's."""

    @property
    def stored_column(self) -> sa.Column[Any] | None:
        """The column of the table; `None` if the database computes the value when it is read."""
        return self.column if isinstance(self.column, sa.Column) else None

    @cached_property
    def column_key(self) -> str:
        """By what name statements take values of the column."""
        return str(self.column.key)

    @cached_property
    def nullable(self) -> bool:
        """Whether a value may be null; that of an expression always may."""
        return self.stored_column is None or bool(self.stored_column.nullable)

    @cached_property
    def kind(self) -> Kind:
        """What the column is to a client.

        Raises:
            ResourceError: Its type has no JSON form.
        """
        return kind_of(self.column, nullable=self.nullable)

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
        """Text that names a row must fit into a path, or its row could be made but never found."""
        column = self.stored_column
        names_rows = self.looked_up or (column is not None and column.primary_key)
        return Annotated[annotation, SEGMENT] if names_rows and self.kind.read is str else annotation

    @property
    def hidden(self) -> bool:
        """Clients do not know that it exists."""
        return self.info.items() >= HIDDEN.items()

    @property
    def read_only(self) -> bool:
        """The server alone writes it: by mark, or because the database makes it."""
        return self.info.items() >= READ_ONLY.items() or self.made_by_database

    @property
    def made_by_database(self) -> bool:
        """The database computes or counts its values."""
        column = self.stored_column
        return (
            column is None
            or column.computed is not None
            or column.identity is not None
            or column is column.table.autoincrement_column
        )

    @cached_property
    def has_default(self) -> bool:
        """A row can be made without a value for it."""
        column = self.stored_column
        if column is None or self.made_by_database:
            return True
        return bool(column.nullable) or column.default is not None or column.server_default is not None

    @property
    def constant_default(self) -> Any:
        """The value that a row without one gets, if that is always the same; else `...`."""
        column = self.stored_column
        default = None if column is None else column.default
        if default is not None:
            return default.arg if isinstance(default, sa.ColumnDefault) and default.is_scalar else ...
        return None if column is not None and column.nullable and column.server_default is None else ...

    @property
    def description(self) -> str | None:
        """What the model's author says about it."""
        column = self.stored_column
        return None if column is None else column.comment or column.doc


@dataclass(frozen=True)
class Mapped:
    """A model's table, its key and its attributes, hidden ones too."""

    model: type[DeclarativeBase]
    mapper: Mapper[Any]
    table: sa.Table
    keys: tuple[Attribute, ...]
    """The columns of the primary key, in its order."""
    attributes: Mapping[str, Attribute]

    def attribute_of(self, column: sa.Column[Any]) -> Attribute | None:
        """The attribute that is mapped to `column`."""
        return next((found for found in self.attributes.values() if found.column is column), None)

    def looked_up_by(self, attribute: Attribute) -> "Mapped":
        """The same, with rows that are named by `attribute`."""
        return replace(self, attributes={**self.attributes, attribute.name: replace(attribute, looked_up=True)})


def read_model(model: type[DeclarativeBase]) -> Mapped:
    """Look at how `model` is mapped.

    Raises:
        ResourceError: It cannot be served; the message names the cure.
    """
    mapper, table, attributes = read_columns(model)
    for name in attributes:
        if "__" in name:
            raise ResourceError(f"{model.__name__}.{name}: '__' stands between a column and its operator; rename it")
    return Mapped(model, mapper, table, _keys(model, table, attributes), attributes)


def read_columns(model: type[DeclarativeBase]) -> tuple[Mapper[Any], sa.Table, dict[str, Attribute]]:
    """The mapper of `model`, its table, and what it maps of columns, by attribute name.

    Raises:
        ResourceError: It has no table of its own.
    """
    mapper = cast("Mapper[Any]", sa.inspect(model))
    if mapper.inherits is not None or not _is_table(mapper.local_table):
        raise ResourceError(f"{model.__name__} must be mapped to one table of its own")
    attributes: dict[str, Attribute] = {}
    for mapped in mapper.column_attrs:
        column = mapped.columns[0]
        info = column.info if isinstance(column, sa.Column) else mapped.info
        attributes[mapped.key] = Attribute(mapped.key, column, info)
    return mapper, cast("sa.Table", mapper.local_table), attributes


def _is_table(selectable: object) -> bool:
    return isinstance(selectable, sa.Table)


def _keys(model: type[DeclarativeBase], table: sa.Table, attributes: Mapping[str, Attribute]) -> tuple[Attribute, ...]:
    by_column = {attribute.column: attribute for attribute in attributes.values()}
    missing = [column.name for column in table.primary_key.columns if column not in by_column]
    if missing or not table.primary_key.columns:
        raise ResourceError(f"{model.__name__} must have a primary key, and map each column of it")
    keys = tuple(by_column[column] for column in table.primary_key.columns)
    for key in keys:
        check_names_rows(key, model.__name__)
    return keys


def check_names_rows(attribute: Attribute, model: str) -> None:
    """See that clients can name a row by the value of `attribute`.

    Raises:
        ResourceError: They cannot see it, or its values cannot be compared.
    """
    if attribute.hidden:
        raise ResourceError(f"{model}.{attribute.name}: a hidden key leaves clients no way to name a row")
    if "eq" not in attribute.kind.operators:
        raise ResourceError(
            f"{model}.{attribute.name}: rows cannot be found by a key of type {attribute.column.type!r}"
        )
