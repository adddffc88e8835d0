"""What names a row: in a path, in SQL, and in the `Location` of a new one."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._keys import one_of
from fastapi_kit.crud._parsing import field_errors, text_parser
from fastapi_kit.errors import ValidationProblem

_SUFFIX = "__key"
"""Ends the names of the bind parameters; no column's name has `__` in it, and no operator is called so."""


class Identity:
    """The columns whose values name one row: the primary key, or another unique column.

    Attributes:
        attributes: The columns, in the order of the path.
        names: Of the path's parameters: those of the columns, after a prefix where two rows are named in one path.
        path: `/{id}`; a composite key has a segment for each of its columns.
        condition: SQL that holds for the row of `parameters`.
    """

    def __init__(self, attributes: Sequence[Attribute], prefix: str = "") -> None:
        self.attributes = tuple(attributes)
        self.names = tuple(prefix + attribute.name for attribute in attributes)
        self.path = "".join(f"/{{{name}}}" for name in self.names)
        self._binds = tuple(name + _SUFFIX for name in self.names)
        pairs = tuple(zip(attributes, self._binds, strict=True))
        self.condition = sa.and_(
            *(attribute.column == sa.bindparam(bind, type_=attribute.column.type) for attribute, bind in pairs)
        )
        self._read = tuple(
            (name, bind, text_parser(attribute.kind.value))
            for name, (attribute, bind) in zip(self.names, pairs, strict=True)
        )
        self._write = tuple(TypeAdapter[Any](attribute.kind.read).serializer.to_python for attribute in attributes)

    def read(self, path_parameters: Mapping[str, str]) -> dict[str, Any]:
        """The bind parameters of `condition`, from the parameters of a path.

        Raises:
            ValidationProblem: One is no value of its column.
        """
        values: dict[str, Any] = {}
        for name, bind, parse in self._read:
            try:
                values[bind] = parse(path_parameters[name])
            except ValidationError as error:
                raise ValidationProblem(field_errors(error, "path", name)) from error
        return values

    def parameters(self, key: Any) -> dict[str, Any]:
        """The bind parameters of `condition` for a key in Python: its value, or a tuple of values."""
        values: tuple[Any, ...] = key if len(self._binds) > 1 else (key,)
        return self.of_values(values)

    def of_values(self, values: Sequence[Any]) -> dict[str, Any]:
        """The bind parameters of `condition`, from a value for each column."""
        return dict(zip(self._binds, values, strict=True))

    def one_of(self, keys: Sequence[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
        """SQL that holds for the rows of these keys, each with a value for each column."""
        return one_of([attribute.column for attribute in self.attributes], keys)

    def renamed(self, parameters: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
        """`parameters` as they are after a write, which may have changed the values that name the row.

        Args:
            parameters: Of `condition`.
            written: The written values, by column.
        """
        new = {
            bind: written[attribute.column_key]
            for attribute, bind in zip(self.attributes, self._binds, strict=True)
            if attribute.column_key in written
        }
        return {**parameters, **new}

    def segments(self, values: Sequence[Any]) -> str:
        """The values of a row as segments of a path: `FR/75`."""
        written = (write(value, mode="json") for write, value in zip(self._write, values, strict=True))
        return "/".join(quote(str(value), safe="") for value in written)
