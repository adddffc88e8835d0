"""Dictionaries are written as instances of their model are."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_serializer
from pydantic.alias_generators import to_camel

from fastapi_kit.crud._dictionaries import dictionary_serializer

T = TypeVar("T")


class Colour(Enum):
    """Written by value."""

    RED = "red"


class Inner(BaseModel):
    """A model with aliases of its own."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)
    how_long: timedelta
    some_text: str


class Loud(BaseModel):
    """A model that is no dictionary, as it has a serialiser."""

    word: str

    @field_serializer("word")
    def shouted(self, word: str) -> str:
        """In upper case."""
        return word.upper()


class Outer(BaseModel):
    """A model of both, twice, in which they are shared definitions."""

    id: UUID
    how_long: timedelta
    number: float = Field(serialization_alias="n")
    price: Decimal | None
    at: datetime
    colour: Colour
    anything: Any
    secret: str = Field(exclude=True)
    one: Inner | None
    many: list[Inner]
    loud: Loud
    louder: list[Loud]


class Wrapped(BaseModel, Generic[T]):
    """A page."""

    items: list[T]
    total: int | None = None


inner = st.builds(Inner, how_long=st.timedeltas(), some_text=st.text(max_size=3))
outer = st.builds(
    Outer,
    one=st.none() | inner,
    many=st.lists(inner, max_size=2),
    price=st.none() | st.decimals(allow_nan=False, allow_infinity=False),
    anything=st.none() | st.integers(),
)


def as_dictionary(value: object) -> Any:
    """An instance, and what is in it, as dictionaries by the names of fields; those of `Loud` stay as they are."""
    if isinstance(value, list):
        return [as_dictionary(it) for it in cast("list[object]", value)]
    if isinstance(value, BaseModel) and not isinstance(value, Loud):
        return {name: as_dictionary(it) for name, it in vars(value).items()}
    return value


@pytest.mark.filterwarnings("error")
@settings(max_examples=40, deadline=None)
@given(st.builds(Wrapped[Outer], items=st.lists(outer, max_size=2)))
def test_the_bytes_are_the_model_s(page: Wrapped[Outer]) -> None:
    """With the aliases and the exclusions of each model, at any depth."""
    serializer = dictionary_serializer(Wrapped[Outer], {Wrapped[Outer], Outer, Inner})
    assert serializer.to_json(as_dictionary(page), by_alias=True) == page.model_dump_json(by_alias=True).encode()


@pytest.mark.filterwarnings("error")
def test_some_fields_alone() -> None:
    """What is not in the dictionary is not written, and nobody is warned."""
    assert dictionary_serializer(Outer, {Outer}).to_json({"number": 1.5}, by_alias=True) == b'{"n":1.5}'
