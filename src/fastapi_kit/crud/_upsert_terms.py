"""What an upsert is asked to do: by which key a row is there already, and what of it changes then. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi_kit.crud._keys import Columns, named_key
from fastapi_kit.crud._resource import Resource

Key = tuple[Any, ...]
Values = Mapping[str, Any]
"""Values by attribute."""


@dataclass(frozen=True)
class UpsertTerms:
    """By which key a row is there already, and what becomes of it then.

    Attributes:
        key: The attributes of the key, in its order.
        columns: Its columns.
        updated: The attributes that a row takes which is there; those with a stamp follow.
    """

    key: tuple[str, ...]
    columns: Columns
    updated: frozenset[str]

    @classmethod
    def of(cls, resource: Resource, key: Collection[str] | None, update: Collection[str] | None) -> "UpsertTerms":
        """Look at what the caller says.

        Raises:
            ResourceError: The model is not unique by `key`.
            ValueError: `update` names what an existing row keeps, or no column.
        """
        model = resource.mapped.model.__name__
        names = {column: name for name, column in resource.columns.items()}
        given = [it.name for it in resource.keys] if key is None else key
        columns = named_key(resource.table, names, given, model, "key")
        named = tuple(names[column] for column in columns)
        roles = {it.name for it in (resource.version, resource.deleted, resource.parent) if it is not None}
        kept = {*named, *(it.name for it in resource.keys), *roles, *resource.traits.stamps}
        free = frozenset(resource.columns) - kept
        if update is not None and (wrong := sorted(set(update) - free)):
            raise ValueError(
                f"update={', '.join(wrong)}: not for an upsert of {model} to change; {', '.join(sorted(free))} are"
            )
        return cls(named, columns, free if update is None else frozenset(update))

    def updates(self, row: Collection[str]) -> bool:
        """Whether a row of these attributes changes one that is there."""
        return not self.updated.isdisjoint(row)

    def key_of(self, row: Values) -> Key:
        """The values of a row's key.

        Raises:
            ValueError: It lacks one.
        """
        found = tuple(row.get(name) for name in self.key)
        if None in found:
            raise ValueError(f"an upsert finds a row by {', '.join(self.key)}: give each row a value of it")
        return found
