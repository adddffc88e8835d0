"""What requests ask for, once they are read: values, without behaviour. Pure.

Those that statements are kept by are named tuples, which are hashed and compared in C.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from fastapi_kit.crud._order import Order
from fastapi_kit.crud._query import CountMode
from fastapi_kit.pagination import Position

DeletedMode = Literal["exclude", "include", "only"]
"""Which rows of a resource with soft deletion are meant."""


class View(NamedTuple):
    """What of a row is answered."""

    fields: tuple[str, ...] = ()
    """Some fields alone, in the schema's order; empty for all."""
    includes: tuple[str, ...] = ()
    """Related rows, in alphabetical order."""


WHOLE = View()


class Edge(NamedTuple):
    """A position in a list, but for its values."""

    nulls: tuple[bool, ...]
    backward: bool


class Shape(NamedTuple):
    """What of a list request decides its SQL, apart from the values: requests of one shape share one statement."""

    filters: tuple[str, ...] = ()
    """Filters in use, by parameter, in alphabetical order; of `isnull` with the value."""
    words: int = 0
    """Words of the search."""
    order: tuple[Order, ...] = ()
    view: View = WHOLE
    edge: Edge | None = None


@dataclass(frozen=True)
class RowRequest:
    """One row that a client asks for."""

    view: View = WHOLE
    deleted: DeletedMode = "exclude"


@dataclass(frozen=True)
class ListRequest:
    """A list that a client asks for."""

    shape: Shape
    values: dict[str, Any]
    """The statement's parameters by name: those of the filters, the words and the position."""
    limit: int
    offset: int
    count: CountMode
    binding: bytes
    """A digest of what a cursor of this list is bound to."""
    deleted: DeletedMode = "exclude"
    beside: str = ""
    """The query string of the pages beside it, but for their cursor; empty or with `&` at its end."""


def at(request: ListRequest, position: Position) -> ListRequest:
    """The same list, from a position on."""
    return replace(
        request,
        shape=request.shape._replace(edge=Edge(position.nulls, position.backward)),
        values={**request.values, **position.parameters},
        offset=0,
    )
