"""Numbers and instants that mean the same to every client and every database."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

_LARGEST_EXACT = 2**53 - 1

SafeInt = Annotated[int, Field(ge=-_LARGEST_EXACT, le=_LARGEST_EXACT)]
"""An integer that every JSON reader keeps exact: between -(2^53 - 1) and 2^53 - 1 (RFC 8259, section 6)."""


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
