"""Answers: from rows to bytes.

Answers are not validated: what is stored is what is answered. A row becomes an object whose `__dict__` pydantic's own
serialiser writes as it would write the model's, so the bytes are those of `model_dump_json()` without the time that
validation takes. Where a given schema does more than name columns (computed fields, serialisers, validators, other
types than the columns'), its instances are made in the ordinary way first.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

import sqlalchemy as sa
from annotated_types import BaseMetadata
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import SchemaSerializer

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.pagination import Page, TotalRelation


class Record:
    """A row on its way to the client: its `__dict__` is all there is to it."""

    __slots__ = ("__dict__",)


@dataclass(frozen=True)
class Output:
    """What a row, or a page of rows, is to a client."""

    model: type[BaseModel]
    page: type[BaseModel]
    columns: tuple[sa.Column[Any], ...]
    """The columns to select, in the order in which rows must come."""
    _names: tuple[str, ...]
    _key_index: int
    _finish: Callable[[Record], Any] | None
    _one: SchemaSerializer
    _many: SchemaSerializer

    @classmethod
    def of(cls, model: type[BaseModel], attributes: Mapping[str, Attribute], key: Attribute) -> "Output":
        """Prepare `model`, each of whose fields is one of `attributes`, and one the key.

        Raises:
            ResourceError: The key is missing, or a null could not be answered.
        """
        if key.name not in model.model_fields or model.model_fields[key.name].exclude:
            raise ResourceError(
                f"{model.__name__} lacks {key.name}: clients could not name the rows that they are given"
            )
        _check_nulls(model, attributes)
        page: type[BaseModel] = Page[model]  # type: ignore[valid-type]
        return cls(
            model=model,
            page=page,
            columns=tuple(attributes[name].column for name in model.model_fields),
            _names=tuple(model.model_fields),
            _key_index=list(model.model_fields).index(key.name),
            _finish=None if is_plain(model, attributes) else _instances_of(model),
            _one=model.__pydantic_serializer__,
            _many=page.__pydantic_serializer__,
        )

    def key(self, row: Sequence[Any]) -> Any:
        """The key of a row."""
        return row[self._key_index]

    def one(self, row: Sequence[Any]) -> bytes:
        """The JSON of one row."""
        return self._one.to_json(self._value(row), by_alias=True)

    def many(self, rows: Sequence[Sequence[Any]], total: int | None, relation: TotalRelation) -> bytes:
        """The JSON of a page of rows."""
        page = Record()
        page.__dict__ = {"items": list(map(self._value, rows)), "total": total, "total_relation": relation}
        return self._many.to_json(page, by_alias=True)

    def _value(self, row: Sequence[Any]) -> Any:
        record = Record()
        record.__dict__ = dict(zip(self._names, row, strict=True))
        return record if self._finish is None else self._finish(record)


def _check_nulls(model: type[BaseModel], attributes: Mapping[str, Attribute]) -> None:
    """See that a stored null can be answered; validators of the model may turn it into something, so they are trusted.

    Raises:
        ResourceError: A field is never null and its column may be: one such row would break every list.
    """
    does = model.__pydantic_decorators__
    if does.field_validators or does.model_validators:
        return
    for name, field in model.model_fields.items():
        if attributes[name].column.nullable and not _takes_null(field):
            raise ResourceError(f"{model.__name__}.{name} is never null, but its column may be: declare it `… | None`")


def _takes_null(field: FieldInfo) -> bool:
    annotation: Any = Annotated[field.annotation, field]
    try:
        TypeAdapter[Any](annotation).validate_python(None)
    except ValidationError:
        return False
    return True


def _instances_of(model: type[BaseModel]) -> Callable[[Record], Any]:
    validate = model.__pydantic_validator__.validate_python

    def make(record: Record) -> Any:
        return validate(record, from_attributes=True, by_name=True)

    return make


def is_plain(model: type[BaseModel], attributes: Mapping[str, Attribute]) -> bool:
    """Whether the schema only names columns, so that rows can be written without making its instances."""
    does = model.__pydantic_decorators__
    if model.model_computed_fields or any(
        (does.field_serializers, does.model_serializers, does.field_validators, does.model_validators)
    ):
        return False
    if any(model.model_config.get(option) for option in _CHANGING):
        return False
    return all(_is_plain(field, attributes[name].kind.read) for name, field in model.model_fields.items())


_CHANGING = ("str_strip_whitespace", "str_to_lower", "str_to_upper")
"""Configuration by which validation changes values."""

_SCALARS = (bool, int, str, float, Decimal, datetime, date, time, timedelta, UUID, enum.Enum)


def _is_plain(field: FieldInfo, stored: Any) -> bool:
    """Whether a stored value is written by the field just as it is under its own type."""
    if not all(isinstance(part, BaseMetadata) for part in field.metadata):
        return False  # more than bounds: a validator or serialiser, which may change the value
    if field.annotation == stored:
        return True
    declared, own = _members(field.annotation), _members(stored)
    return own <= declared and all(
        isinstance(kind, type) and issubclass(kind, (*_SCALARS, NoneType)) for kind in declared
    )


def _members(annotation: Any) -> set[Any]:
    return set(get_args(annotation)) if get_origin(annotation) in {Union, UnionType} else {annotation}
