"""The order of a list: always total, as the primary key comes last."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fastapi_kit.crud._attributes import Attribute


class Order(NamedTuple):
    """One term of an order."""

    attribute: Attribute
    descending: bool


def read_order(text: str, sortable: Mapping[str, Attribute], keys: Sequence[Attribute]) -> tuple[Order, ...]:
    """Read a `sort` parameter: names by comma, `-` for descending; the key is added at the end, so the order is total.

    Raises:
        KeyError: It names a column that cannot be sorted by, or one twice; the argument is the term.
    """
    terms: dict[str, Order] = {}
    for term in text.split(",") if text else []:
        name = term.removeprefix("-")
        if name in terms or name not in sortable:
            raise KeyError(term)
        terms[name] = Order(sortable[name], term.startswith("-"))
    for key in keys:
        terms.setdefault(key.name, Order(key, descending=False))
    return tuple(terms.values())
