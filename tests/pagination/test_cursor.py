"""Cursors: what is encoded is decoded, and nothing else is."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastapi_kit.pagination import (
    LONGEST_CURSOR,
    CursorCodec,
    CursorPart,
    InvalidCursorError,
    NoCursorError,
    Position,
    binding_of,
)
from tests.pagination.walks import Colour, part_of

BINDING = binding_of("cities", "-population,id")
CODEC = CursorCodec((part_of(str, nullable=True), part_of(int)))
TOKEN = CODEC.encode(("Bern", 7), BINDING)
law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine is no failure

STRATEGIES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=100),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=4, max_value=10**20, min_value=-(10**20)),
    float: st.floats(allow_nan=False),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
    time: st.times(),
    timedelta: st.timedeltas(),
    UUID: st.uuids(),
    bool: st.booleans(),
    Colour: st.sampled_from(Colour),
    Literal["low", "high"]: st.sampled_from(["low", "high"]),
}


def token_of(payload: bytes, head: bytes = b"\x02" + BINDING) -> str:
    """A token with these bytes for values."""
    return urlsafe_b64encode(head + payload).rstrip(b"=").decode()


def refused(token: Any, codec: CursorCodec = CODEC) -> InvalidCursorError:
    """The error that a token is refused with."""
    with pytest.raises(InvalidCursorError) as caught:
        codec.decode(token, BINDING)
    return caught.value


@law
@given(st.data(), st.lists(st.sampled_from(list(STRATEGIES)), min_size=1, max_size=4), st.booleans(), st.binary())
def test_law_a_position_survives(data: st.DataObject, kinds: list[Any], backward: bool, asked: bytes) -> None:
    """Law: for values of every type, null included, decoding an encoded position gives that position."""
    codec = CursorCodec(tuple(part_of(kind, nullable=True) for kind in kinds))
    values = tuple(data.draw(STRATEGIES[kind] | st.none()) for kind in kinds)
    binding = binding_of(asked.hex())
    token = codec.encode(values, binding, backward=backward)
    position = codec.decode(token, binding)
    assert position == Position(values, backward)
    assert [type(value) for value in position.values] == [type(value) for value in values]
    assert [str(value) for value in position.values] == [str(value) for value in values]  # tells 1.0 from 1.00
    assert urlsafe_b64decode(token + "=" * (-len(token) % 4))[1:9] == binding


@law
@given(st.datetimes())
def test_law_a_naive_datetime_stays_naive(value: datetime) -> None:
    """Law: a wall clock gets no zone by being written."""
    codec = CursorCodec((part_of(datetime),))
    assert codec.decode(codec.encode((value,), BINDING), BINDING).values == (value,)


@law
@given(st.text() | st.text("ABab01_-=+/", max_size=60) | st.binary().map(lambda raw: token_of(b"", raw)))
def test_law_anything_else_is_refused(token: str) -> None:
    """Law: no text that a client may make up is an error of another kind."""
    refused(token)


payloads = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), st.lists)


@law
@given(payloads.map(json.dumps).map(str.encode) | st.binary(max_size=20), st.sampled_from([CODEC, CursorCodec(())]))
def test_law_a_token_is_what_encode_writes(payload: bytes, codec: CursorCodec) -> None:
    """Law: whatever values a token holds, it is refused, or encoding them again gives it."""
    token = token_of(payload)
    try:
        position = codec.decode(token, BINDING)
    except InvalidCursorError:
        return
    assert codec.encode(position.values, BINDING) == token


@law
@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("ABCDwxyz0189-_"))
def test_law_a_changed_letter_matters(index: int, letter: str) -> None:
    """Law: a changed token is refused or names another position; none has two tokens."""
    changed = TOKEN[:index] + letter + TOKEN[index + 1 :]
    try:
        position = CODEC.decode(changed, BINDING)
    except InvalidCursorError:
        return
    assert (position == CODEC.decode(TOKEN, BINDING)) is (changed == TOKEN)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param(TOKEN + "=", id="padded"),
        pytest.param(TOKEN + "A", id="longer"),
        pytest.param(TOKEN[:-1], id="shorter"),
        pytest.param(TOKEN + "\n", id="line break"),
        pytest.param("é" * 20, id="no ascii"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param("A" * (LONGEST_CURSOR + 1), id="oversized"),
        pytest.param(token_of(b'["a",7]', b"\x04" + BINDING), id="next version"),
        pytest.param(token_of(b'["a",7]', b"\x00" + BINDING), id="version before"),
        pytest.param(token_of(b'["a",7]', b"\x02" + binding_of("other")), id="other binding"),
        pytest.param(token_of(b""), id="no values"),
        pytest.param(token_of(b'["a"]'), id="too few"),
        pytest.param(token_of(b'["a",7,7]'), id="too many"),
        pytest.param(token_of(b'{"a":7}'), id="object"),
        pytest.param(token_of(b'["a", 7]'), id="space"),
        pytest.param(token_of(b'["\\u0061",7]'), id="escaped letter"),
        pytest.param(token_of(b'["a",null]'), id="null for a value"),
        pytest.param(token_of(b'["a","7"]'), id="text for a number"),
        pytest.param(token_of(b'["a",7.0]'), id="float for an integer"),
        pytest.param(token_of(b'["a",true]'), id="boolean for an integer"),
        pytest.param(token_of(b"[7,7]"), id="number for text"),
        pytest.param(token_of(b'["a",[7]]'), id="nested"),
        pytest.param(token_of(b"[" * 1_400), id="deeply nested"),
        pytest.param(token_of(b'["a",%d]' % 2**63), id="beyond 64 bits"),
        pytest.param(token_of(b'["a",%s]' % (b"9" * 1_400)), id="huge integer"),
        pytest.param(token_of(b'["a",NaN]'), id="NaN"),
        pytest.param(token_of(b'["a",Infinity]'), id="Infinity"),
        pytest.param(token_of(b'["a",1e999]'), id="too large a float"),
        pytest.param(token_of(b'["\\ud800",7]'), id="half a surrogate pair"),
        pytest.param(token_of(b'["\xed\xa0\x80",7]'), id="raw surrogate"),
        pytest.param(token_of(b'["\\u0000",7]'), id="NUL"),
        pytest.param(token_of(b'["a",7]').replace("-", "+").replace("_", "/") + "+", id="other alphabet"),
    ],
)
def test_refused(token: str) -> None:
    """Each way in which a token can be wrong is the same kind of error, and says nothing of the token."""
    message = str(refused(token))
    assert "cursor" in message
    assert not token or token not in message


def test_the_standard_alphabet_is_refused() -> None:
    """A token is written in one alphabet alone."""
    codec = CursorCodec((part_of(str),))
    token = next(
        token
        for letter in "?>~ÿ"
        for shift in range(3)
        if "_" in (token := codec.encode(("a" * shift + letter * 3,), BINDING))
    )
    assert codec.decode(token, BINDING).values
    refused(token.replace("_", "/"), codec)


@pytest.mark.parametrize("error", [ValueError, TypeError, ArithmeticError])
def test_what_load_refuses(error: type[Exception]) -> None:
    """What `load` raises at a value is an invalid cursor, and is kept as its cause."""

    def load(value: object) -> object:
        raise error

    assert isinstance(refused(TOKEN, CursorCodec((CODEC.parts[0], CursorPart(int, load)))).__cause__, error)


def test_values_that_count_as_false() -> None:
    """Zero, empty text and False are values; only None is null."""
    codec = CursorCodec((part_of(int), part_of(str), part_of(bool), part_of(int, nullable=True)))
    position = codec.decode(codec.encode((0, "", False, None), BINDING), BINDING)
    assert position == Position((0, "", False, None))
    assert position.nulls == (False, False, False, True)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")], ids=str)
def test_floats_beyond_numbers(value: float) -> None:
    """A database that holds such values, as PostgreSQL does, can be walked past them."""
    codec = CursorCodec((part_of(float),))
    (again,) = codec.decode(codec.encode((value,), BINDING), BINDING).values
    assert repr(again) == repr(value)


@pytest.mark.parametrize("value", ["a" * LONGEST_CURSOR, "a\0b", "\ud800"], ids=["long", "NUL", "surrogate"])
def test_rows_without_a_cursor(value: str) -> None:
    """A row whose token would be refused is given none."""
    with pytest.raises(NoCursorError):
        CODEC.encode((value, 7), BINDING)


def test_text_that_looks_like_an_escape() -> None:
    """A backslash before u0000 is text like any other."""
    assert CODEC.decode(CODEC.encode(("\\u0000", 7), BINDING), BINDING).values == ("\\u0000", 7)


def test_the_longest_text_of_a_common_column_fits() -> None:
    """255 characters, of four bytes each, leave room for a key."""
    codec = CursorCodec((part_of(str), part_of(UUID)))
    values = ("🜁" * 255, UUID(int=7))
    assert codec.decode(codec.encode(values, BINDING), BINDING).values == values


def test_bindings_tell_parts_apart() -> None:
    """Each part counts, and so does where it ends."""
    bindings = {binding_of(*parts) for parts in [(), ("",), ("ab",), ("a", "b"), ("a', 'b",), ("b", "a"), ("\ud800",)]}
    assert len(bindings) == 7
    assert {len(binding) for binding in bindings} == {8}


def test_the_form_is_kept() -> None:
    """Tokens that clients hold today are read tomorrow; another form needs another version."""
    binding = binding_of("cities", "sort=-population")
    assert binding.hex() == "264c6a92bb6a0c8e"
    assert CODEC.encode(("Zürich", 7), binding, backward=True) == "AyZMapK7agyOWyJaw7xyaWNoIiw3XQ"
