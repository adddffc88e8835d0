"""Answers: from rows to bytes.

Answers are not validated: what is stored is what is answered. A row becomes an object whose `__dict__` pydantic's own
serialiser writes as it would write the model's, so the bytes are those of `model_dump_json()` without the time that
validation takes. Where a given schema does more than name columns (computed fields, serialisers, validators, other
types than the columns'), its instances are made in the ordinary way first.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from annotated_types import BaseMetadata
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import SchemaSerializer

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.pagination import CursorPage

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Record:
    """A row on its way to the client: its `__dict__` is all there is to it."""

    __slots__ = ("__dict__",)


Children = Mapping[tuple[Any, ...], list[Any]]
"""Related objects by the key of the row that they belong to."""


@dataclass(frozen=True)
class Reading:
    """How rows become the objects that a schema's serialiser writes."""

    model: type[BaseModel]
    attributes: tuple[Attribute, ...]
    """What the schema shows, in its order."""
    finish: Callable[[Record], Any] | None
    """Makes an instance of the schema, where it does more than name columns."""

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
            finish=None if is_plain(model, attributes) else _instances_of(model),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(self.model.model_fields)


@dataclass(frozen=True)
class Nested:
    """A related row whose values stand in the same row."""

    name: str
    reading: Reading
    start: int
    stop: int
    key: int
    """Where its key stands, which is null if there is no such row."""

    def value(self, row: Sequence[Any]) -> Any:
        """The related object, or `None`."""
        if row[self.key] is None:
            return None
        record = Record()
        record.__dict__ = dict(zip(self.reading.names, row[self.start : self.stop], strict=True))
        return record if self.reading.finish is None else self.reading.finish(record)


@dataclass(frozen=True)
class Layout:
    """What stands where in the rows of one statement."""

    names: tuple[str, ...]
    """The members of the object, whose values come first."""
    places: Mapping[str, int]
    """Where the value of each selected attribute stands."""
    keys: tuple[int, ...]
    """Where the primary key stands."""
    nested: tuple[Nested, ...] = ()
    included: frozenset[str] = frozenset()
    """The related rows that were asked for."""
    shown: frozenset[str] | None = None
    """The members to write, where that is fewer than the object has."""

    def key(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """The primary key of a row."""
        return tuple(row[place] for place in self.keys)


@dataclass(frozen=True)
class Output:
    """What a row, or a page of rows, is to a client."""

    reading: Reading
    model: type[BaseModel]
    """The schema of a row, with what may be included."""
    page: type[BaseModel]
    _related: frozenset[str]
    _finish: Callable[[Record], Any] | None
    _one: SchemaSerializer
    _many: SchemaSerializer

    @classmethod
    def of(cls, model: type[BaseModel], attributes: Mapping[str, Attribute], identity: Iterable[Attribute]) -> "Output":
        """Prepare `model`, each of whose fields is one of `attributes`, and some those that name a row.

        Raises:
            ResourceError: The row could not be named, or a null could not be answered.
        """
        for attribute in identity:
            if attribute.name not in model.model_fields or model.model_fields[attribute.name].exclude:
                raise ResourceError(
                    f"{model.__name__} lacks {attribute.name}: clients could not name the rows that they are given"
                )
        reading = Reading.of(model, attributes)
        return cls._of(reading, model)

    @classmethod
    def _of(cls, reading: Reading, model: type[BaseModel], related: Iterable[str] = ()) -> "Output":
        page: type[BaseModel] = CursorPage[model]  # type: ignore[valid-type]
        return cls(
            reading=reading,
            model=model,
            page=page,
            _related=frozenset(related),
            _finish=None if reading.finish is None else _instances_of(model),
            _one=model.__pydantic_serializer__,
            _many=page.__pydantic_serializer__,
        )

    def page_of(self, model: type[BaseModel]) -> type[BaseModel]:
        """The schema of a page of `model`."""
        page: type[BaseModel] = CursorPage[model]  # type: ignore[valid-type]
        return page

    @property
    def is_plain(self) -> bool:
        """Whether a row's values are written just as they stand in the row."""
        return self._finish is None

    def columns(self, layout: Layout) -> list[str]:
        """The names of what is written of a row, as clients see them."""
        fields, computed = self.reading.model.model_fields, self.reading.model.model_computed_fields
        names = {
            **{name: field.serialization_alias or name for name, field in fields.items() if not field.exclude},
            **{name: field.alias or name for name, field in computed.items()},
        }
        if self.is_plain:
            return [names[name] for name in layout.names]
        return [alias for name, alias in names.items() if layout.shown is None or name in layout.shown]

    @property
    def items(self) -> Any:
        """The annotation of the answer of a bulk write."""
        return list[self.model]  # type: ignore[name-defined]

    def including(self, related: Mapping[str, Any]) -> "Output":
        """The same with further members, by name and annotation, that a row has if they were asked for."""
        fields: dict[str, Any] = {
            name: (annotation, Field(default_factory=_absent)) for name, annotation in related.items()
        }
        if not fields:
            return self
        base = self.reading.model
        return self._of(self.reading, create_model(f"{base.__name__}WithRelated", __base__=base, **fields), fields)

    def values(self, rows: Sequence[Sequence[Any]], layout: Layout, children: Mapping[str, Children]) -> list[Any]:
        """The objects that the serialiser takes for rows."""
        if self._finish is None and not layout.nested and not children:
            return _records(layout.names, rows)
        return [self._value(row, layout, children) for row in rows]

    def _value(self, row: Sequence[Any], layout: Layout, children: Mapping[str, Children]) -> Any:
        record = _record(layout.names, row)
        for nested in layout.nested:
            record.__dict__[nested.name] = nested.value(row)
        for name, found in children.items():
            record.__dict__[name] = found.get(layout.key(row), [])
        return record if self._finish is None else self._finish(record)

    def one(self, row: Sequence[Any], layout: Layout, children: Mapping[str, Children] = NOTHING) -> bytes:
        """The JSON of one row."""
        (value,) = self.values((row,), layout, children)
        return self.write(value, layout)

    def write(self, value: Any, layout: Layout) -> bytes:
        """The JSON of one object."""
        if self._finish is None:
            return self._one.to_json(value, by_alias=True)
        shown = None if layout.shown is None else set(layout.shown)
        return self._one.to_json(value, by_alias=True, include=shown, exclude=set(self._related - layout.included))

    def many(self, values: list[Any], layout: Layout, page: Mapping[str, Any]) -> bytes:
        """The JSON of a page of objects; `page` holds its members besides `items`."""
        record = Record()
        record.__dict__ = {"items": values, **page}
        if self._finish is None:
            return self._many.to_json(record, by_alias=True)
        shown: Any = None if layout.shown is None else {"items": {"__all__": layout.shown}, **dict.fromkeys(page, True)}
        absent: Any = {"items": {"__all__": self._related - layout.included}}
        return self._many.to_json(record, by_alias=True, include=shown, exclude=absent)


def _record(names: tuple[str, ...], row: Sequence[Any]) -> Record:
    (record,) = _records(names, (row,))
    return record


def _records(names: tuple[str, ...], rows: Iterable[Sequence[Any]]) -> list[Record]:
    made: list[Record] = []
    for row in rows:
        record = Record()
        record.__dict__ = dict(zip(names, row))  # noqa: B905 - what else stands in the row is for the server
        made.append(record)
    return made


def _absent() -> None:
    """Never used: a member that was not asked for is not written. A factory does not show in JSON schema."""


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
