"""Answers: from rows to bytes.

Answers are not validated: what is stored is what is answered. A row becomes a dictionary, which pydantic's serialiser
writes as it would write an instance of the schema, so the bytes are those of `model_dump_json()` without the time that
validation takes. Where a given schema is not plain, its instances are made in the ordinary way first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, Field, create_model
from pydantic_core import SchemaSerializer

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._dictionaries import dictionary_serializer
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._readings import Finish, Reading, instances_of
from fastapi_kit.pagination import CursorPage

NOTHING: Mapping[str, Any] = MappingProxyType({})


Children = Mapping[tuple[Any, ...], list[Any]]
"""Related objects by the key of the row that they belong to."""


@dataclass(frozen=True)
class Nested:
    """A related row whose values stand in the same row."""

    name: str
    reading: Reading
    start: int
    stop: int
    key: int
    """Where its key stands, which is null if there is no such row."""

    def values(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """The related object of each row, or `None`."""
        finish, absent = self.reading.finish, [row[self.key] is None for row in rows]
        found = as_dictionaries(self.reading.names, map(itemgetter(slice(self.start, self.stop)), rows))
        if finish is None and not any(absent):
            return found
        make = finish or _as_it_is
        return [None if missing else make(it) for it, missing in zip(found, absent, strict=True)]


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
    _finish: Finish | None
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
        return cls._of(reading, model, {})

    @classmethod
    def _of(cls, reading: Reading, model: type[BaseModel], related: Mapping[str, Reading]) -> "Output":
        page: type[BaseModel] = CursorPage[model]  # type: ignore[valid-type]
        dictionaries = {page, *(it.model for it in related.values() if it.finish is None)}
        if reading.finish is None:
            dictionaries.add(model)
        return cls(
            reading=reading,
            model=model,
            page=page,
            _related=frozenset(related),
            _finish=None if reading.finish is None else instances_of(model),
            _one=dictionary_serializer(model, dictionaries),
            _many=dictionary_serializer(page, dictionaries),
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

    def including(self, related: Mapping[str, tuple[Any, Reading]]) -> "Output":
        """The same with further members, by name, that a row has if they were asked for.

        Args:
            related: The annotation of each, and how its rows are read.
        """
        if not related:
            return self
        fields: dict[str, Any] = {
            name: (annotation, Field(default_factory=_absent)) for name, (annotation, _) in related.items()
        }
        base = self.reading.model
        model = create_model(f"{base.__name__}WithRelated", __base__=base, **fields)
        return self._of(self.reading, model, {name: reading for name, (_, reading) in related.items()})

    def values(self, rows: Sequence[Sequence[Any]], layout: Layout, children: Mapping[str, Children]) -> list[Any]:
        """The objects that the serialiser takes for rows."""
        names, finish = layout.names, self._finish
        values: list[dict[str, Any]] = as_dictionaries(names, rows)
        for nested in layout.nested:
            for value, related in zip(values, nested.values(rows), strict=True):
                value[nested.name] = related
        for name, found in children.items():
            for value, row in zip(values, rows, strict=True):
                value[name] = found.get(layout.key(row), [])
        return values if finish is None else [finish(value) for value in values]

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
        whole = {"items": values, **page}
        if self._finish is None:
            return self._many.to_json(whole, by_alias=True)
        shown: Any = None if layout.shown is None else {"items": {"__all__": layout.shown}, **dict.fromkeys(page, True)}
        absent: Any = {"items": {"__all__": self._related - layout.included}}
        return self._many.to_json(whole, by_alias=True, include=shown, exclude=absent)


def as_dictionaries(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Each row as a dictionary, made without a loop in Python; values beyond the names are left out."""
    return [*map(dict, map(zip, repeat(names), rows))]


def _as_it_is(row: dict[str, Any]) -> Any:
    return row


def _absent() -> None:
    """Never used: a member that was not asked for is not written. A factory does not show in JSON schema."""
