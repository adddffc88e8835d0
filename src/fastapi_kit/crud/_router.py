"""`CRUDRouter`: an `APIRouter` whose routes are made from a SQLAlchemy model."""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Generic, Literal, TypeVar, get_args

from fastapi import APIRouter
from fastapi.params import Depends
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._engine import Engine
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._hooks import WRITE_OPERATIONS, Hook, Listener, WriteOperation
from fastapi_kit.crud._includes import Many, One
from fastapi_kit.crud._openapi import Documentation
from fastapi_kit.crud._operations import Operation, Operations
from fastapi_kit.crud._query import Query
from fastapi_kit.crud._resource import Schemas, describe
from fastapi_kit.crud._route import CRUDRoute, Endpoint
from fastapi_kit.crud._scope import Scope
from fastapi_kit.crud._traits import OfPrincipal, SoftDeletion, Stamp, Traits, Version
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
]
OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)
DEFAULT_OPERATIONS: frozenset[OperationName] = frozenset({"list", "get", "create", "replace", "update", "delete"})

MAX_BODY_SIZE = 256 * 1024
"""Bytes of a request body at most, unless a router says otherwise."""

M = TypeVar("M", bound=DeclarativeBase)
H = TypeVar("H", bound=Hook)
L = TypeVar("L", bound=Listener)


class CRUDRouter(APIRouter, Generic[M]):
    """Routes that list, get, create, replace, update and delete the rows of a model.

        books = CRUDRouter(Book, prefix="/books", tags=["books"])
        app.include_router(books)

    The app needs a `Database` in its lifespan. Answers: 200, 201 with `Location`, 204, 304; 404 for a row that is not
    there or out of scope, 409 with the names of the fields that violate a constraint, 412 and 428 for `If-Match`, 413,
    415, 422 for anything in a request that is unknown or malformed, 503 while the database cannot be reached; each
    error a `Problem`.

    Schemas that are left out are derived from the columns: their types and bounds, nullable or not, with or without a
    default. Columns marked `HIDDEN` are in none of them, those marked `READ_ONLY` and those that the server or the
    database makes only in `read`. Fields of a given schema are named like the model's attributes.

    Args:
        model: A class mapped to one table.
        prefix: Path of the list; a row is below it.
        tags: For OpenAPI.
        create: Body of POST.
        update: Body of PATCH; from `create` if that is given, with every field optional.
        replace: Body of PUT; `create` if that is given.
        read: A row as clients see it. What it leaves out they can neither filter nor sort by.
        routes: The operations to serve; `None` for list, get, create, replace, update and delete, and restore where
            deletion is soft. `create_many`, `update_many` and `delete_many` are there only if they are named.
        dependencies: `Depends(...)` by operation; those of `"*"` come first, on every operation.
        query: What lists may be filtered, searched and sorted by, and how much a request may ask for.
        include: What clients may have with a row by `include=`: `One`, `Many` or `Links` by relationship.
        scope: Which rows there are for whom: a condition, in which `of_principal` stands for what depends on the
            request, or a function from the principal to one; or either by model, for related rows, too. It is part of
            every statement. What is out of scope is answered like what is absent.
        stamp: Columns that the server writes: functions from the principal to the value, or `Stamp`.
        version: The column of a row's version, which makes `ETag` and asks for `If-Match`; or a `Version`.
        soft_delete: The column that a delete sets; or a `SoftDeletion`.
        lookup: A unique column that names a row in the path, in place of the primary key.
        parent: A column whose value is a parameter of `prefix`: `/countries/{country_code}/cities`.
        max_body_size: Bytes of a request body at most; `None` leaves it to the routers and the app above.

    Raises:
        ResourceError: The model, a schema or the query cannot be served; the message names the cure.
    """

    def __init__(  # noqa: PLR0913 - the README's signature: each argument is one independent choice
        self,
        model: type[M],
        *,
        prefix: str = "",
        tags: Sequence[str | Enum] = (),
        create: type[BaseModel] | None = None,
        update: type[BaseModel] | None = None,
        replace: type[BaseModel] | None = None,
        read: type[BaseModel] | None = None,
        routes: Collection[OperationName] | None = None,
        dependencies: Mapping[OperationName | Literal["*"], Sequence[Depends]] | None = None,
        query: Query | None = None,
        include: Mapping[str, One | Many] | None = None,
        scope: Scope | Mapping[type[DeclarativeBase], Scope] | None = None,
        stamp: Mapping[str, OfPrincipal | Stamp] | None = None,
        version: str | Version | None = None,
        soft_delete: str | SoftDeletion | None = None,
        lookup: str | None = None,
        parent: str | None = None,
        max_body_size: int | None = MAX_BODY_SIZE,
    ) -> None:
        dependencies = dependencies or {}
        traits = Traits.of(lookup=lookup, parent=parent, version=version, soft_delete=soft_delete, stamp=stamp)
        served: Collection[str] = _served(routes, traits)
        _check_names({*served, *dependencies} - {"*"})
        _check_traits(model, served, traits, prefix)
        super().__init__(
            prefix=prefix,
            tags=list(tags),
            route_class=CRUDRoute,
            dependencies=dependencies.get("*", ()),
            max_body_size=max_body_size,
        )
        resource = describe(model, Schemas(create, update, replace, read), served, traits)
        self._engine = Engine(resource, query or Query(), include or {}, scope)
        operations = Operations(self._engine)
        documentation = Documentation(self._engine)
        for name in OPERATIONS:
            if name in served:
                operation: Operation = getattr(operations, name)
                self.add_api_route(
                    **documentation.route(name),
                    endpoint=Endpoint(operation),
                    dependencies=dependencies.get(name, ()),
                )

    def before(self, operation: WriteOperation) -> Callable[[H], H]:
        """Run the decorated function before each write of this kind, in its transaction.

        It may change `context.values`, write by `context.session`, or raise a `Problem`, by which nothing is stored.
        """
        return self._hook(operation, self._engine.hooks.add_before)

    def after(self, operation: WriteOperation) -> Callable[[H], H]:
        """Run the decorated function after each write of this kind, in its transaction; `context.stored` is the row."""
        return self._hook(operation, self._engine.hooks.add_after)

    def after_commit(self, listener: L) -> L:
        """Tell the decorated function of each committed write.

        It runs before the answer is sent. What it raises is logged, as the write has happened.
        """
        self._engine.hooks.listeners.append(listener)
        return listener

    def _hook(self, operation: WriteOperation, add: Callable[[WriteOperation, Hook], None]) -> Callable[[H], H]:
        if operation not in WRITE_OPERATIONS:
            raise ResourceError(f"{operation!r} has no hooks; {', '.join(WRITE_OPERATIONS)} have")

        def decorate(hook: H) -> H:
            add(operation, hook)
            return hook

        return decorate


def _served(routes: Collection[OperationName] | None, traits: Traits) -> Collection[str]:
    if routes is not None:
        return routes
    return DEFAULT_OPERATIONS if traits.soft_delete is None else {*DEFAULT_OPERATIONS, "restore"}


def _check_names(given: Collection[str]) -> None:
    unknown = sorted(set(given) - set(OPERATIONS))
    if unknown:
        raise ResourceError(f"there are no operations {', '.join(unknown)}; there are {', '.join(OPERATIONS)}")


def _check_traits(model: type[DeclarativeBase], routes: Collection[str], traits: Traits, prefix: str) -> None:
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
