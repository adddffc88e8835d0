"""A place in an ordered list, as a cursor names it and a statement is given it. Pure."""

from dataclasses import dataclass
from typing import Any


def parameter(index: int) -> str:
    """The name of the bind parameter that takes the value of a position's key number `index`."""
    return f"cursor__{index}"


@dataclass(frozen=True)
class Position:
    """The place of one row in a list: its values of the sort keys. The row itself need not exist any more."""

    values: tuple[Any, ...]
    """One for each sort key; `None` is null."""
    backward: bool = False
    """Whether the rows before it are asked for, instead of those after it."""

    @property
    def nulls(self) -> tuple[bool, ...]:
        """Which values are null; a statement is made for these, as null is not compared but tested for."""
        return tuple(value is None for value in self.values)

    @property
    def parameters(self) -> dict[str, Any]:
        """The bind parameters of `beyond`, those that are not null."""
        return {parameter(index): value for index, value in enumerate(self.values) if value is not None}
