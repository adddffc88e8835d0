"""The cursors of a resource's lists: a codec for each order. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._order import Order
from fastapi_kit.pagination import CursorCodec, CursorPart, Position, binding_of

_ORDERS_KEPT = 256


class Cursors:
    """Writes and reads cursors; as clients choose the order, only the most recent codecs are kept."""

    def __init__(self) -> None:
        self._codec = lru_cache(_ORDERS_KEPT)(_codec)
        self.binding = lru_cache(_ORDERS_KEPT)(_binding)

    def encode(self, values: Sequence[Any], order: tuple[Order, ...], binding: bytes, *, backward: bool) -> str:
        """The cursor of the row with these values of the sort keys.

        Raises:
            NoCursorError: They do not fit into one.
        """
        return self._codec(order).encode(values, binding, backward=backward)

    def decode(self, token: str, order: tuple[Order, ...], binding: bytes) -> Position:
        """The position that a cursor names.

        Raises:
            InvalidCursorError: It is none of this list.
        """
        return self._codec(order).decode(token, binding)


def _binding(order: tuple[Order, ...], deleted: str, texts: tuple[str, ...]) -> bytes:
    terms = (f"{'-' * term.descending}{term.attribute.name}" for term in order)
    return binding_of(",".join(terms), deleted, *texts)


def _codec(order: tuple[Order, ...]) -> CursorCodec:
    return CursorCodec(tuple(_part(term.attribute) for term in order))


_load_integer = TypeAdapter(int).validator.validate_python
"""Without the bounds of the column, to which neither SQLite nor an expression of the column holds."""


def _part(attribute: Attribute) -> CursorPart:
    kind = attribute.kind
    if kind.read in {int, int | None}:
        return CursorPart(_as_it_is, _load_integer, attribute.nullable)
    value = kind.value if kind.unbounded is None else kind.unbounded
    dump, load = TypeAdapter[Any](kind.read).serializer.to_python, TypeAdapter[Any](value).validator.validate_python
    if kind.read in {str, str | None}:
        return CursorPart(_as_it_is, load, attribute.nullable)
    return CursorPart(lambda it: dump(it, mode="json"), load, attribute.nullable)


def _as_it_is(value: Any) -> Any:
    return value
