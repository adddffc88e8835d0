"""Numbers and instants that mean the same everywhere."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from fastapi_kit.schemas import SafeInt, UTCDatetime

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
