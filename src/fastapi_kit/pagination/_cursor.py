"""Cursors: a position in a list as a token that clients keep and send back, and cannot be mistaken about.

A token is the base64url (RFC 4648, section 5, without padding) of

    1 byte   version of this form, and the direction
    8 bytes  binding: a digest of what else the list was asked for
    the rest the values of the sort keys, as a JSON array of scalars

It is neither secret nor signed: it says nothing that the row has not said, and grants nothing that a filter would not.
Hence it is checked like any other input. A token is accepted only if it is, to the letter, the one that `encode` would
write for the position that was read from it, so each position has one token, and whatever is malformed has none.
"""

import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

from pydantic_core import from_json, to_json

from fastapi_kit.pagination._position import Position

LONGEST_CURSOR = 4_000
"""Characters at most in a token: room for 2,700 bytes of text, more than which no index of PostgreSQL holds, in half of
the 8 kB that servers take for a URL."""

_VERSION = 1
_BINDING_LENGTH = 8
_HEAD_LENGTH = 1 + _BINDING_LENGTH
_FORWARD, _BACKWARD = (bytes([_VERSION << 1 | backward]) for backward in (False, True))

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_LARGEST_INTEGER = 2**63 - 1
"""No column of integers holds more."""


class InvalidCursorError(ValueError):
    """A token is none that this list gave: it was changed, or is of another list, order, filter or version.

    The message is for the client, and has nothing of the token in it.
    """


class NoCursorError(ValueError):
    """A row has no cursor: its text is too long for one, or holds U+0000 or half a surrogate pair."""


def binding_of(*parts: str) -> bytes:
    """A digest of all that must be the same when a cursor is used again: the order, the filters and their values."""
    return blake2b(repr(parts).encode(), digest_size=_BINDING_LENGTH).digest()


@dataclass(frozen=True)
class CursorPart:
    """How the values of one sort key are written in a cursor.

    Args:
        dump: Makes a JSON scalar of a value that is not null; equal values must give equal scalars.
        load: Makes the value of a scalar; raises `ValueError`, such as pydantic's `ValidationError`, at any other.
        nullable: Whether the key may be null.
    """

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]
    nullable: bool = False


@dataclass(frozen=True)
class CursorCodec:
    """Writes and reads the cursors of one order; made once and kept, safe to share.

    Args:
        parts: One for each sort key.
    """

    parts: tuple[CursorPart, ...]

    def encode(self, values: Sequence[Any], binding: bytes, *, backward: bool = False) -> str:
        """The token of the row with these values of the sort keys.

        Args:
            values: One for each sort key, `None` for null.
            binding: What `binding_of` gives.
            backward: Whether the token asks for the rows before that row.

        Raises:
            NoCursorError: The token would be too long, or hold what no database takes.
        """
        scalars = [None if value is None else part.dump(value) for part, value in zip(self.parts, values, strict=True)]
        try:
            written = to_json(scalars, inf_nan_mode="strings")
        except ValueError as error:
            raise NoCursorError("The text of a sort key is no Unicode.") from error
        if b"\\u0000" in written and any(map(_holds_nul, scalars)):
            raise NoCursorError("The text of a sort key holds U+0000.")
        raw = (_BACKWARD if backward else _FORWARD) + binding + written
        token = binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=")
        if len(token) > LONGEST_CURSOR:
            raise NoCursorError(f"The values of the sort keys do not fit into {LONGEST_CURSOR} characters.")
        return token.decode("ascii")

    def decode(self, token: str, binding: bytes) -> Position:
        """The position that `token` names.

        Args:
            token: What a client sent, which may be anything.
            binding: The same as when it was encoded.

        Raises:
            InvalidCursorError: `encode` gives no such token with this binding.
        """
        try:
            raw = _bytes_of(token)
            if raw[1:_HEAD_LENGTH] == binding:
                position = Position(self._values(from_json(raw[_HEAD_LENGTH:], allow_inf_nan=False)), raw[0] & 1 == 1)
                if self.encode(position.values, binding, backward=position.backward) == token:
                    return position
        except (ValueError, TypeError, ArithmeticError) as error:
            raise InvalidCursorError("This is no cursor of this list.") from error
        raise InvalidCursorError("This is no cursor of this list with this sort and these filters.")

    def _values(self, scalars: Any) -> tuple[Any, ...]:
        if not isinstance(scalars, list):
            raise ValueError("no array")  # noqa: TRY004 - of a client's input, not of a type in code
        scalars = cast("list[object]", scalars)
        return tuple(_load(part, scalar) for part, scalar in zip(self.parts, scalars, strict=True))


def _bytes_of(token: str) -> bytes:
    if len(token) > LONGEST_CURSOR:
        raise ValueError("too long")
    text = token.encode("ascii").translate(_FROM_URL)
    raw = binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    if raw[:1] not in {_FORWARD, _BACKWARD}:
        raise ValueError("another version")
    return raw


def _load(part: CursorPart, scalar: object) -> Any:
    if scalar is None:
        if part.nullable:
            return None
        raise ValueError("null")
    if not isinstance(scalar, str | int | float):
        raise ValueError("no scalar")  # noqa: TRY004 - as above
    if _holds_nul(scalar) or (isinstance(scalar, int) and not -_LARGEST_INTEGER - 1 <= scalar <= _LARGEST_INTEGER):
        raise ValueError("no database takes it")
    return part.load(scalar)


def _holds_nul(scalar: object) -> bool:
    return isinstance(scalar, str) and "\0" in scalar
