"""The description of a body tells the bounds of its columns as well as its own."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, field_validator

from fastapi_kit.crud._body_schema import body_schema
from fastapi_kit.crud._resource import Schemas, describe
from fastapi_kit.schemas import WHOLE, partial
from tests.crud.library import City, Everything

INTEGER = {"minimum": -(2**31), "maximum": 2**31 - 1}
SMALL = {"minimum": -(2**15), "maximum": 2**15 - 1}


def properties(update: type[BaseModel], model: Any = Everything) -> dict[str, Any]:
    """The described properties of a body of PATCH, without titles."""
    resource = describe(model, Schemas(update=update), {"update"})
    described = body_schema(resource.inputs["update"])["properties"]
    return {name: {key: value for key, value in schema.items() if key != "title"} for name, schema in described.items()}


class Bare(BaseModel):
    """The types that come to mind first."""

    number: int = 0
    small: Annotated[int, WHOLE] = 0
    line: str = ""
    ratio: float = 0
    price: Decimal = Decimal(0)


def test_bare_types_get_the_bounds_of_their_columns() -> None:
    """A number gets those of its bits, a text the length and the characters that can be stored."""
    described = properties(Bare)
    assert described["number"] == {"type": "integer", "default": 0, **INTEGER}
    assert described["small"] == {"type": "integer", "default": 0, **SMALL}
    assert described["line"] == {"type": "string", "default": "", "maxLength": 20, "pattern": "^[^\\u0000]*$"}
    assert described["ratio"] == {"type": "number", "default": 0}
    number = next(member for member in described["price"]["anyOf"] if member["type"] == "number")
    assert number["multipleOf"] == 0.01


def test_the_tighter_bound_holds() -> None:
    """Whichever of the schema and the column allows less is told."""

    class Bounded(BaseModel):
        number: Annotated[int, Field(ge=1, le=2**40)] = 1
        small: Annotated[int, Field(ge=-5)] = 1

    described = properties(Bounded)
    assert (described["number"]["minimum"], described["number"]["maximum"]) == (1, 2**31 - 1)
    assert (described["small"]["minimum"], described["small"]["maximum"]) == (-5, 2**15 - 1)


def test_null_stays_an_alternative() -> None:
    """Of a field that may be null, the other alternative gets the bounds."""

    class Nullable(BaseModel):
        elevation: int | None = None

    assert properties(Nullable, City)["elevation"] == {
        "anyOf": [{"type": "integer", **INTEGER}, {"type": "null"}],
        "default": None,
    }


def test_choices_are_kept() -> None:
    """A field with fewer values than its column has only those."""

    class Level(StrEnum):
        LOW = "low"

    class Chosen(BaseModel):
        level: Level = Level.LOW

    assert properties(Chosen)["level"]["enum"] == ["low"]


class Tens(BaseModel):
    """A value that is stored as another one than was sent."""

    number: int = 0

    @field_validator("number")
    @classmethod
    def _tenth(cls, value: int) -> int:
        return value // 10


class Stripped(BaseModel, str_strip_whitespace=True):
    """A text that is stored shorter than it was sent."""

    line: str = ""


@pytest.mark.parametrize("update", [Tens, Stripped])
def test_what_is_stored_otherwise_than_it_was_sent_is_left_alone(update: type[BaseModel]) -> None:
    """The bounds of the column are not those of what is sent."""
    (described,) = properties(update).values()
    assert set(described) == {"type", "default"}


def test_a_patch_that_is_made_of_a_create_is_narrowed_too() -> None:
    """That its fields may be left out changes nothing of their values."""
    described = properties(partial(Bare))
    assert described["number"] == {"type": "integer", **INTEGER}
    assert described["small"] == {"type": "integer", **SMALL}


def test_a_field_is_found_by_the_name_it_is_sent_by() -> None:
    """Aliases are the properties' names."""

    class Aliased(BaseModel):
        number: int = Field(0, alias="theNumber")

    assert properties(Aliased)["theNumber"] == {"type": "integer", "default": 0, **INTEGER}


def test_a_derived_body_is_described_as_it_is() -> None:
    """Its bounds are the columns' already."""
    resource = describe(City, Schemas(), {"create"})
    assert resource.inputs["create"].columns is None
    described = body_schema(resource.inputs["create"])
    assert described["properties"]["population"]["maximum"] == 2**31 - 1
    assert described["additionalProperties"] is False
