"""The operations that a router serves, and which of them a description cannot have."""

from collections.abc import Collection
from typing import Literal, get_args

from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._traits import Traits
from fastapi_kit.db import SoftDelete

OperationName = Literal[
    "list",
    "get",
    "create",
    "replace",
    "update",
    "delete",
    "restore",
    "create_many",
    "update_many",
    "delete_many",
    "export",
]
OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)
BULK_OPERATIONS: frozenset[OperationName] = frozenset({"create_many", "update_many", "delete_many"})
DEFAULT_OPERATIONS: frozenset[OperationName] = frozenset({"list", "get", "create", "replace", "update", "delete"})


def served_operations(routes: Collection[OperationName] | None, traits: Traits) -> Collection[str]:
    """What is served of a router that names these `routes`, or none."""
    if routes is not None:
        return routes
    return DEFAULT_OPERATIONS if traits.soft_delete is None else {*DEFAULT_OPERATIONS, "restore"}


def check_names(given: Collection[str]) -> None:
    """See that all of these are operations.

    Raises:
        ResourceError: One is none.
    """
    unknown = sorted(set(given) - set(OPERATIONS))
    if unknown:
        raise ResourceError(f"there are no operations {', '.join(unknown)}; there are {', '.join(OPERATIONS)}")


def check_traits(model: type[DeclarativeBase], routes: Collection[str], traits: Traits, prefix: str) -> None:
    """See that what a router serves fits what was said of its rows.

    Raises:
        ResourceError: It does not; the message names the cure.
    """
    soft = traits.soft_delete is not None
    if issubclass(model, SoftDelete) and not soft and {"delete", "delete_many"} & set(routes):
        raise ResourceError(
            f"{model.__name__} has SoftDelete, and a CRUDRouter would delete its rows for good: "
            "give soft_delete='deleted_at', or leave 'delete' out of routes="
        )
    if "restore" in routes and not soft:
        raise ResourceError("'restore' in routes= needs soft_delete=, by which rows are put out of use")
    if "delete_many" in routes and traits.version is not None and traits.version.required:
        raise ResourceError("'delete_many' cannot name versions: give version=Version(..., required=False)")
    if traits.parent is not None and f"{{{traits.parent}}}" not in prefix:
        raise ResourceError(f"parent={traits.parent!r}: the prefix must have the parameter {{{traits.parent}}}")
