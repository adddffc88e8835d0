"""Numbers and instants that mean the same to every client and every database."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

_LARGEST_EXACT = 2**53 - 1

SafeInt = Annotated[int, Field(ge=-_LARGEST_EXACT, le=_LARGEST_EXACT)]
"""An integer that every JSON reader keeps exact: between -(2^53 - 1) and 2^53 - 1 (RFC 8259, section 6)."""


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Beside an `int` of a strict model, takes 1.0 for 1: to JSON they are the same number (RFC 8259, section 6).

    rating: Annotated[int, Field(ge=1, le=5), WHOLE]
"""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def _iso_date(value: object) -> object:
    if isinstance(value, int | float) or (isinstance(value, str) and not _DATE.fullmatch(value)):
        raise ValueError("Input should be a date in the form of RFC 3339, such as 2024-01-31")
    return value


ISO_DATE = BeforeValidator(_iso_date)
"""Beside a `date`, refuses numbers of seconds and times of day, of which the JSON schema does not tell.

    visited_on: Annotated[date, Field(strict=False), ISO_DATE]

In a strict model with `strict=False`, as a date in JSON is a text.
"""


def in_utc(value: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        ValueError: If it falls outside the years 1 to 9999 there.
    """
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("The instant is outside the years 1 to 9999 in UTC.") from None


UTCDatetime = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""An instant: an aware `datetime`, converted to UTC. A value without a time zone or offset is refused."""
