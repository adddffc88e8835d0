"""What each column type is to a client: a Python type with the column's exact bounds, and the operators it understands.

Bounds are those of the narrowest database, so that a value which one of them stores is stored by all: an `Integer` has
32 bits everywhere, although SQLite would take 64.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, NaiveDatetime, StringConstraints, WithJsonSchema
from sqlalchemy.types import TypeEngine

from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.db import UTCDateTime
from fastapi_kit.schemas import ISO_DATE, WHOLE, UTCDatetime, text

UNBOUNDED_TEXT = 10_000
"""Code points at most in a text column without a length."""
_LARGEST_TEXT = 2**30 - 1
"""Bytes at most in any text of PostgreSQL."""
LONGEST_ARRAY = 1_000
DIGITS = 38
"""Digits at most in a `Numeric` without a precision."""

SEGMENT = StringConstraints(min_length=1, pattern=r"^([^./\u0000]|\.[^./\u0000]|\.\.[^/\u0000])[^/\u0000]*$")
"""Text that names a row in a path: not empty, without a slash, neither `.` nor `..` (RFC 3986, section 5.2.4)."""

EQUALITY = frozenset({"eq", "ne", "in", "not_in", "isnull"})
"""Operators that every scalar column understands; `isnull` only where the column may be null."""
RANGE = EQUALITY | {"lt", "lte", "gt", "gte"}
"""Operators of numbers and times."""
TEXT = EQUALITY | {"contains", "icontains", "startswith"}
"""Operators of text."""


@dataclass(frozen=True)
class Kind:
    """What a column is to a client."""

    value: Any
    """The annotation of a value that comes in, with bounds, and never null: of a key, or of a filter."""
    read: Any
    """The annotation of a stored value: without bounds, as what is stored is answered."""
    operators: frozenset[str]
    """The operators by which it can be filtered; none for values without equality, such as JSON."""
    sortable: bool = True
    splits_on_comma: bool = True
    """Whether `a,b` in a list operator is two values. Not for text, which may hold a comma."""
    nullable: bool = False
    unbounded: Any = None
    """The annotation of a value without the bounds that the kit sets, where those are not the column's own."""

    @property
    def written(self) -> Any:
        """The annotation of the column in a body: its value, or null if it may be."""
        return self._or_null(self.value)

    @property
    def stored(self) -> Any:
        """The annotation of all that the column can hold."""
        return self._or_null(self.value if self.unbounded is None else self.unbounded)

    def _or_null(self, annotation: Any) -> Any:
        return annotation | None if self.nullable else annotation


def kind_of(column: sa.Column[Any]) -> Kind:
    """Tell what `column` is to a client.

    Raises:
        ResourceError: There is no JSON form for its type; the message names the cure.
    """
    kind = _kind(column.type)
    if kind is None:
        raise ResourceError(
            f"{column}: the type {column.type!r} has no JSON form of its own; mark the column with info=HIDDEN, or "
            "leave it out of a schema that you give as read="
        )
    if column.nullable:
        return replace(kind, read=kind.read | None, nullable=True)
    return replace(kind, operators=kind.operators - {"isnull"})


def _kind(type_: TypeEngine[Any]) -> Kind | None:
    for sql_type, make in _KINDS:
        if isinstance(type_, sql_type):
            return make(type_)
    return None


def _integer(bits: int) -> Callable[[Any], Kind]:
    bounded = Annotated[int, Field(ge=-(2 ** (bits - 1)), le=2 ** (bits - 1) - 1), WHOLE]
    return lambda _: Kind(bounded, int, RANGE)


def _enum(type_: sa.Enum) -> Kind:
    values: Any = type_.enum_class or Literal[tuple(type_.enums)]
    return Kind(values, values, EQUALITY)


def _string(type_: sa.String) -> Kind:
    if type_.length:
        return Kind(Annotated[str, text(max_length=type_.length)], str, TEXT, splits_on_comma=False)
    bounded, unbounded = (Annotated[str, text(max_length=length)] for length in (UNBOUNDED_TEXT, _LARGEST_TEXT))
    return Kind(bounded, str, TEXT, splits_on_comma=False, unbounded=unbounded)


def _numeric(type_: sa.Numeric[Any]) -> Kind:
    if not type_.asdecimal:
        return _float(type_)
    digits, places = type_.precision or DIGITS, type_.scale
    # `max_digits` alone lets 1E+999999 through, whose digits are few and whose places are many.
    limit = Decimal(10) ** (digits - (places or 0))
    bounded = Annotated[
        Decimal,
        Field(max_digits=digits, decimal_places=places, gt=-limit, lt=limit, allow_inf_nan=False),
        WithJsonSchema({"anyOf": [_decimal_number(limit, places), _decimal_text(digits, places)]}),
    ]
    return Kind(bounded, Decimal, RANGE)


def _decimal_number(limit: Decimal, places: int | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "number", "exclusiveMinimum": -float(limit), "exclusiveMaximum": float(limit)}
    return schema if places is None else {**schema, "multipleOf": float(Decimal(1).scaleb(-places))}


def _decimal_text(digits: int, places: int | None) -> dict[str, Any]:
    whole = max(1, digits - (places or 0))
    fraction = digits if places is None else places
    point = rf"(\.\d{{1,{fraction}}})?" if fraction else ""
    return {"type": "string", "pattern": rf"^-?\d{{1,{whole}}}{point}$"}


def _float(_: object) -> Kind:
    return Kind(Annotated[float, Field(allow_inf_nan=False)], float, RANGE)


_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def _iso_datetime(value: object) -> object:
    """Refuse numbers of seconds, which pydantic would take for times: the schema says RFC 3339, and only that."""
    if isinstance(value, int | float) or (isinstance(value, str) and not _DATE.match(value)):
        raise ValueError("Input should be in the form of RFC 3339, such as 2024-01-31T12:00:00Z")
    return value


def _iso_time(value: object) -> object:
    if isinstance(value, int | float) or (isinstance(value, str) and ":" not in value):
        raise ValueError("Input should be in the form of RFC 3339, such as 12:00:00")
    return value


_ISO_DATETIME, _ISO_TIME = BeforeValidator(_iso_datetime), BeforeValidator(_iso_time)


def _temporal(written: Any, read: Any, form: str, check: BeforeValidator) -> Kind:
    """A kind whose values are written in one of the forms of RFC 3339; `form` is its name in OpenAPI's registry."""
    schema = WithJsonSchema({"type": "string", "format": form})
    # A validator of one's own is given Python's text, which a strict body would not take for a time any more.
    return Kind(Annotated[written, Field(strict=False), check, schema], read, RANGE)


def _datetime(type_: sa.DateTime) -> Kind:
    if type_.timezone:
        return _temporal(UTCDatetime, datetime, "date-time", _ISO_DATETIME)
    return _temporal(NaiveDatetime, datetime, "date-time-local", _ISO_DATETIME)


def _naive(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("Input should have no offset from UTC, as none is stored")
    return value


def _time(type_: sa.Time) -> Kind:
    if type_.timezone:
        return _temporal(time, time, "time", _ISO_TIME)
    return _temporal(Annotated[time, AfterValidator(_naive)], time, "time-local", _ISO_TIME)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN = Field(ge=datetime.min.replace(tzinfo=UTC) - _EPOCH, le=datetime.max.replace(tzinfo=UTC) - _EPOCH)
"""Databases without intervals store one as the instant that is so far from the epoch."""


def _storable(value: JsonValue) -> JsonValue:
    """Refuse what JSON or a database cannot hold, at any depth: NaN, ±Infinity, U+0000."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack += item.keys()
            stack += item.values()
        elif isinstance(item, list):
            stack += item
        elif (isinstance(item, str) and "\0" in item) or (isinstance(item, float) and not math.isfinite(item)):
            raise ValueError("JSON values may hold neither U+0000 nor numbers that are not finite")
    return value


def _json(_: object) -> Kind:
    check = AfterValidator(_storable)
    value, anything = Annotated[JsonValue, check], Annotated[Any, check]
    return Kind(value, JsonValue, frozenset(), sortable=False, unbounded=anything)


def _array(type_: sa.ARRAY[Any]) -> Kind | None:
    item = _kind(type_.item_type)
    if item is None or type_.dimensions not in {None, 1}:
        return None
    unbounded = list[item.value]  # type: ignore[name-defined]
    value = Annotated[unbounded, Field(max_length=LONGEST_ARRAY)]
    return Kind(value, list[item.read], frozenset(), sortable=False, unbounded=unbounded)  # type: ignore[name-defined]


def _uuid(type_: sa.Uuid[Any]) -> Kind:
    return Kind(UUID, UUID, EQUALITY) if type_.as_uuid else Kind(Annotated[str, text(max_length=36)], str, EQUALITY)


_KINDS: Sequence[tuple[type[TypeEngine[Any]], Callable[[Any], Kind | None]]] = (
    # The first that fits counts: a subclass stands before its base.
    (sa.Boolean, lambda _: Kind(bool, bool, EQUALITY)),
    (sa.SmallInteger, _integer(16)),
    (sa.BigInteger, _integer(64)),
    (sa.Integer, _integer(32)),
    (sa.Enum, _enum),
    (sa.String, _string),
    (sa.Float, _float),
    (sa.Numeric, _numeric),
    (UTCDateTime, lambda _: _temporal(UTCDatetime, datetime, "date-time", _ISO_DATETIME)),
    (sa.DateTime, _datetime),
    (sa.Date, lambda _: _temporal(date, date, "date", ISO_DATE)),
    (sa.Time, _time),
    (sa.Interval, lambda _: Kind(Annotated[timedelta, _SPAN], timedelta, RANGE)),
    (sa.Uuid, _uuid),
    (sa.JSON, _json),
    (sa.ARRAY, _array),
)
