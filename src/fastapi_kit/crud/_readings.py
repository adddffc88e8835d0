"""Readings: how the columns of a row become what the serialiser of a schema writes.

A schema is plain where it names columns and no more. Its rows are dictionaries then. Where it does more (computed
fields, serialisers, validators, other types than the columns'), its instances are made of them in the ordinary way.
"""

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from annotated_types import BaseMetadata
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._errors import ResourceError

Finish = Callable[[dict[str, Any]], Any]
"""Makes an instance of a schema that is not plain, from a row."""


@dataclass(frozen=True)
class Reading:
    """How rows become the objects that a schema's serialiser writes."""

    model: type[BaseModel]
    attributes: tuple[Attribute, ...]
    """What the schema shows, in its order."""
    names: tuple[str, ...]
    """The names of the fields."""
    finish: Finish | None
    """`None` where the schema is plain."""

    @classmethod
    def of(cls, model: type[BaseModel], attributes: Mapping[str, Attribute]) -> "Reading":
        """Prepare `model`, each of whose fields is one of `attributes`.

        Raises:
            ResourceError: A null could not be answered.
        """
        _check_nulls(model, attributes)
        return cls(
            model=model,
            attributes=tuple(attributes[name] for name in model.model_fields),
            names=tuple(model.model_fields),
            finish=None if is_plain(model, attributes) else instances_of(model),
        )

    def value(self, values: Iterable[Any]) -> Any:
        """The object of a row that has just these values."""
        row = dict(zip(self.names, values, strict=True))
        return row if self.finish is None else self.finish(row)


class _Record:
    """A row whose values are attributes, as validators of schemas for rows expect."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.__dict__ = row


def instances_of(model: type[BaseModel]) -> Finish:
    """What makes instances of `model`."""
    validate = model.__pydantic_validator__.validate_python

    def make(row: dict[str, Any]) -> Any:
        return validate(_Record(row), from_attributes=True, by_name=True)

    return make


def _check_nulls(model: type[BaseModel], attributes: Mapping[str, Attribute]) -> None:
    """See that a stored null can be answered; validators of the model may turn it into something, so they are trusted.

    Raises:
        ResourceError: A field is never null and its column may be: one such row would break every list.
    """
    does = model.__pydantic_decorators__
    if does.field_validators or does.model_validators:
        return
    for name, field in model.model_fields.items():
        stored = attributes[name].stored_column
        if stored is not None and stored.nullable and not _takes_null(field):
            raise ResourceError(f"{model.__name__}.{name} is never null, but its column may be: declare it `… | None`")


def _takes_null(field: FieldInfo) -> bool:
    # Without the field itself, of whose alias pydantic would warn that it has no effect here.
    annotation: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    try:
        TypeAdapter[Any](annotation).validate_python(None)
    except ValidationError:
        return False
    return True


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


_CHANGING = (
    "str_strip_whitespace",
    "str_to_lower",
    "str_to_upper",
    "ser_json_timedelta",
    "ser_json_temporal",
    "ser_json_bytes",
    "ser_json_inf_nan",
    "polymorphic_serialization",
)
"""Configuration by which validation changes values, or by which instances are written otherwise than dictionaries."""

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
