"""What a failed validation tells."""

import enum
import ipaddress
import uuid
import zoneinfo
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AnyUrl,
    BaseModel,
    Field,
    ImportString,
    Json,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fastapi_kit.errors._validation import (
    DEEPEST_LOCATION,
    HIDDEN,
    LONGEST_MESSAGE,
    LONGEST_NAME,
    field_error,
    field_errors,
)

SENTINEL = "s3ntinel-Value"


class Cat(BaseModel):
    """One of two, told apart by `kind`."""

    kind: Literal["cat"]


class Dog(BaseModel):
    """The other of two."""

    kind: Literal["dog"]


class Authored(BaseModel):
    """Validators that say what their authors wrote."""

    name: str = "name"
    echoed: str = "x"
    converted: int = 1
    custom: str = "x"
    lowered: str = "x"

    @field_validator("name")
    @classmethod
    def _letters(cls, value: str) -> str:
        if not value.isalpha():
            raise ValueError("Name must contain only letters")
        return value

    @field_validator("echoed")
    @classmethod
    def _echo(cls, value: str) -> str:
        raise ValueError(f"{value!r} will not do")

    @field_validator("converted", mode="before")
    @classmethod
    def _convert(cls, value: str) -> int:
        return int(value, 36) - int(value)

    @field_validator("custom")
    @classmethod
    def _custom(cls, value: str) -> str:
        template: Any = f"{value} is taken"  # as careless authors do
        raise PydanticCustomError("taken", template)

    @field_validator("lowered")
    @classmethod
    def _lower(cls, value: str) -> str:
        raise AssertionError(value.lower())


class Whole(BaseModel):
    """A validator of the whole model."""

    start: int = 0
    password: str = ""
    again: str = ""

    @model_validator(mode="after")
    def _same(self) -> "Whole":
        if self.password != self.again:
            raise ValueError("password and again must be the same")
        if self.start:
            raise ValueError(f"no password like {self.password}")
        return self


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


def errors_of(kind: Any, value: Any) -> list[Any]:
    """What pydantic says of `value`."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return list(caught.value.errors())


PYDANTIC_TYPES: dict[str, Any] = {
    "integer": int,
    "date": date,
    "datetime": datetime,
    "time": time,
    "timedelta": timedelta,
    "uuid": uuid.UUID,
    "decimal": Decimal,
    "url": AnyUrl,
    "json": Json[int],
    "address": ipaddress.IPv4Address,
    "zone": zoneinfo.ZoneInfo,
    "import": ImportString,
    "enum": Colour,
    "literal": Literal["a", "b"],
    "pattern": Annotated[str, StringConstraints(pattern="^[a-z]+$")],
    "length": Annotated[str, StringConstraints(max_length=3)],
    "list": list[int],
}


@pytest.mark.parametrize("kind", PYDANTIC_TYPES.values(), ids=PYDANTIC_TYPES)
def test_no_message_of_pydantic_brings_the_value_back(kind: Any) -> None:
    """Whatever the type says of a value, the value is not in it."""
    for error in errors_of(kind, SENTINEL):
        assert SENTINEL.casefold() not in str(field_error(error)).casefold()


def test_unknown_union_tag_is_hidden_but_its_type_told() -> None:
    """The one message of the schema that quotes its input is replaced; the type still says what is wrong."""
    union: Any = Annotated[Cat | Dog, Field(discriminator="kind")]
    (error,) = errors_of(union, {"kind": SENTINEL})
    assert SENTINEL in error["msg"]
    assert field_error(error) == {"loc": [], "msg": HIDDEN, "type": "union_tag_invalid"}


@pytest.mark.parametrize("value", ["a", "valid", "integer", "Input should be a valid integer"])
def test_message_that_only_looks_like_the_input_stays(value: str) -> None:
    """A message without variable parts is the same for every input, also for one that uses its words."""
    (error,) = errors_of(int, value)
    assert field_error(error)["msg"] == "Input should be a valid integer, unable to parse string as an integer"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "R2D2", "Value error, Name must contain only letters"),
        ("echoed", SENTINEL, HIDDEN),
        ("echoed", "pin", HIDDEN),
        ("converted", SENTINEL, HIDDEN),
        ("custom", SENTINEL, HIDDEN),
        ("lowered", SENTINEL, HIDDEN),
    ],
    ids=["fixed text", "echo", "short echo", "text of int()", "custom error", "echo in lower case"],
)
def test_message_of_an_author_stays_unless_it_repeats_the_input(field: str, value: str, message: str) -> None:
    """What validators say is for the client, but not what they or Python's functions repeat of the value."""
    (error,) = errors_of(Authored, {field: value})
    assert field_error(error)["msg"] == message


def test_message_about_a_model_is_held_against_all_its_values() -> None:
    """Of a whole model the names of fields may be told, the values may not."""
    (error,) = errors_of(Whole, {"password": "correct horse", "again": "battery staple"})
    assert field_error(error)["msg"] == "Value error, password and again must be the same"
    (error,) = errors_of(Whole, {"start": 1, "password": "correct horse", "again": "correct horse"})
    assert field_error(error)["msg"] == HIDDEN


@pytest.mark.parametrize("value", [["x"] * 5_000, "x" * 200_000], ids=["too many values", "too long a value"])
def test_message_about_a_huge_input_is_hidden(value: Any) -> None:
    """What would take too long to compare counts as repeated."""
    assert field_error({"type": "own", "msg": "Nothing of it", "loc": [], "input": value})["msg"] == HIDDEN


@pytest.mark.parametrize(
    "value",
    [None, True, 5, 10**5000, 2.5, float("nan"), b"\xff\xfe", {"a": [{"b": ()}]}, {1, 2}, Cat(kind="cat"), object()],
    ids=lambda value: type(value).__name__,
)
def test_any_kind_of_input_can_be_compared(value: Any) -> None:
    """Every input that a validator can have is taken, whatever its type."""
    assert field_error({"type": "own", "msg": "Fixed text", "loc": ["body"], "input": value})["msg"] == "Fixed text"


def test_names_of_the_client_are_told_and_cut() -> None:
    """Unknown fields and keys stay in the location, as long names and deep locations do not."""
    (error,) = errors_of(dict[str, int], {"k" * 500: "x"})
    (name,) = field_error(error)["loc"]
    assert name == "k" * (LONGEST_NAME - 1) + "…"
    location = field_error({"loc": ["body", *range(100)], "msg": "m", "type": "t"})["loc"]
    assert (len(location), location[-1]) == (DEEPEST_LOCATION + 1, "…")


def test_error_without_members_is_an_error() -> None:
    """Applications raise validation errors with members left out."""
    assert field_error({}) == {"loc": [], "msg": HIDDEN, "type": "value_error"}


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "loc": st.lists(st.text() | st.integers(), max_size=40).map(tuple),
                "msg": st.text(max_size=2_000),
                "type": st.text(max_size=200),
                "input": st.recursive(st.text() | st.integers() | st.floats(), st.lists),
            }
        )
    ),
    st.integers(1, 30),
)
def test_errors_are_bounded(errors: list[dict[str, Any]], limit: int) -> None:
    """Law: whatever the errors are, so many are told and each is so long."""
    told = field_errors(errors, limit)
    assert len(told) == min(limit, len(errors))
    for error in told:
        assert set(error) == {"loc", "msg", "type"}
        assert len(error["loc"]) <= DEEPEST_LOCATION + 1
        assert all(isinstance(item, int) or len(item) <= LONGEST_NAME for item in error["loc"])
        assert len(error["msg"]) <= LONGEST_MESSAGE
        assert len(error["type"]) <= LONGEST_NAME
