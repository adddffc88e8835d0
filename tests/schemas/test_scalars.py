"""Numbers and instants that mean the same everywhere."""

from datetime import UTC, date, datetime
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from fastapi_kit.schemas import ISO_DATE, WHOLE, SafeInt, Schema, UTCDatetime

INTEGER = TypeAdapter[int](SafeInt)
INSTANT = TypeAdapter[datetime](UTCDatetime)


@pytest.mark.parametrize("value", [2**53 - 1, -(2**53) + 1])
def test_takes_every_integer_that_json_keeps_exact(value: int) -> None:
    """The outermost exact integers pass."""
    assert INTEGER.validate_json(str(value)) == value


@pytest.mark.parametrize("value", [2**53, -(2**53), 10**30])
def test_refuses_integers_that_json_rounds(value: int) -> None:
    """Beyond them, a reader with double precision would see another number."""
    with pytest.raises(ValidationError):
        INTEGER.validate_json(str(value))


def test_an_instant_is_converted_to_utc() -> None:
    """The offset is applied, not dropped."""
    instant = INSTANT.validate_python("2026-01-02T02:00:00+14:00")
    assert instant == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert instant.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("2026-01-01T00:00:00", id="no offset"),
        pytest.param("0001-01-01T00:00:00+14:00", id="before year 1 in UTC"),
        pytest.param("9999-12-31T23:59:59-14:00", id="after year 9999 in UTC"),
    ],
)
def test_refuses_what_is_no_instant_in_utc(value: str) -> None:
    """A local time, and an instant that has no date in UTC, are errors of the input and not a crash."""
    with pytest.raises(ValidationError):
        INSTANT.validate_python(value)


class Visit(Schema, strict=True):
    """A strict model, as fuzzers hold it to the letter of its JSON schema."""

    day: Annotated[date, Field(strict=False), ISO_DATE] = date(2024, 1, 31)
    rating: Annotated[int, Field(ge=1, le=5), WHOLE] = 1


@pytest.mark.parametrize("raw", ['{"rating": 4}', '{"rating": 4.0}', '{"day": "2024-02-29"}'])
def test_a_strict_model_takes_what_its_schema_tells_of(raw: str) -> None:
    """To JSON 4.0 is an integer, and a date is a text."""
    assert Visit.model_validate_json(raw).model_fields_set


@pytest.mark.parametrize(
    "raw",
    [
        *['{"rating": 4.5}', '{"rating": "4"}', '{"rating": true}', '{"rating": 6.0}'],
        *['{"day": 0}', '{"day": 86400.0}', '{"day": "0"}', '{"day": "2024-02-29T00:00:00"}', '{"day": "2023-02-29"}'],
    ],
)
def test_a_strict_model_refuses_all_else(raw: str) -> None:
    """Numbers in texts, truth values, seconds since 1970 and times of day are neither integers nor dates."""
    with pytest.raises(ValidationError):
        Visit.model_validate_json(raw)


def test_the_schema_of_a_strict_model_is_exact() -> None:
    """The validators leave the bounds and the format where readers look for them."""
    properties = Visit.model_json_schema()["properties"]
    assert {name: properties["rating"][name] for name in ("type", "minimum", "maximum")} == {
        "type": "integer", "minimum": 1, "maximum": 5,
    }  # fmt: skip
    assert properties["day"]["format"] == "date"
