"""`CRUDRouter`: an `APIRouter` whose routes are made from a SQLAlchemy model."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Literal, get_args

from fastapi import APIRouter
from fastapi.params import Depends
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._openapi import Documentation
from fastapi_kit.crud._operations import Operation, Operations
from fastapi_kit.crud._query import Query, compile_query
from fastapi_kit.crud._resource import Schemas, describe
from fastapi_kit.crud._route import CRUDRoute, Endpoint
from fastapi_kit.db import SoftDelete

OperationName = Literal["list", "get", "create", "replace", "update", "delete"]
OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)

MAX_BODY_SIZE = 256 * 1024
"""Bytes of a request body at most, unless a router says otherwise."""


class CRUDRouter(APIRouter):
    """Routes that list, get, create, replace, update and delete the rows of a model.

        books = CRUDRouter(Book, prefix="/books", tags=["books"])
        app.include_router(books)

    The app needs a `Database` in its lifespan. Answers: 200, 201 with `Location`, 204; 404 for a row that is not there,
    409 with the names of the fields that violate a constraint, 413, 415, 422 for anything in a request that is unknown
    or malformed, 503 while the database cannot be reached; each error a `Problem`.

    Schemas that are left out are derived from the columns: their types and bounds, nullable or not, with or without a
    default. Columns marked `HIDDEN` are in none of them, those marked `READ_ONLY` and those that the database makes
    only in `read`. Fields of a given schema are named like the model's attributes.

    Args:
        model: A class mapped to one table with a primary key of one column.
        prefix: Path of the list; a row is below it.
        tags: For OpenAPI.
        create: Body of POST.
        update: Body of PATCH; from `create` if that is given, with every field optional.
        replace: Body of PUT; `create` if that is given.
        read: A row as clients see it. What it leaves out they can neither filter nor sort by.
        routes: The operations to serve.
        dependencies: `Depends(...)` by operation; those of `"*"` come first, on every operation.
        query: What lists may be filtered and sorted by, and how long pages are.
        max_body_size: Bytes of a request body at most; `None` leaves it to the routers and the app above.

    Raises:
        ResourceError: The model, a schema or the query cannot be served; the message names the cure.
    """

    def __init__(  # noqa: PLR0913 - the README's signature: each argument is one independent choice
        self,
        model: type[DeclarativeBase],
        *,
        prefix: str = "",
        tags: Sequence[str | Enum] = (),
        create: type[BaseModel] | None = None,
        update: type[BaseModel] | None = None,
        replace: type[BaseModel] | None = None,
        read: type[BaseModel] | None = None,
        routes: Collection[OperationName] = OPERATIONS,
        dependencies: Mapping[OperationName | Literal["*"], Sequence[Depends]] | None = None,
        query: Query | None = None,
        max_body_size: int | None = MAX_BODY_SIZE,
    ) -> None:
        dependencies = dependencies or {}
        _check_names({*routes, *dependencies} - {"*"})
        _check_delete(model, routes)
        super().__init__(
            prefix=prefix,
            tags=list(tags),
            route_class=CRUDRoute,
            dependencies=dependencies.get("*", ()),
            max_body_size=max_body_size,
        )
        resource = describe(model, Schemas(create, update, replace, read), routes)
        grammar = compile_query(query or Query(), resource.visible, resource.key)
        operations = Operations(resource, grammar)
        documentation = Documentation(resource, grammar)
        for name in OPERATIONS:
            if name in routes:
                operation: Operation = getattr(operations, name)
                self.add_api_route(
                    **documentation.route(name),
                    endpoint=Endpoint(operation),
                    dependencies=dependencies.get(name, ()),
                )


def _check_names(given: Collection[str]) -> None:
    unknown = sorted(set(given) - set(OPERATIONS))
    if unknown:
        raise ResourceError(f"there are no operations {', '.join(unknown)}; there are {', '.join(OPERATIONS)}")


def _check_delete(model: type[DeclarativeBase], routes: Collection[str]) -> None:
    if issubclass(model, SoftDelete) and "delete" in routes:
        raise ResourceError(
            f"{model.__name__} has SoftDelete, and a CRUDRouter would delete its rows for good: "
            "leave 'delete' out of routes= and write that route yourself"
        )
