"""`CRUDRouter`: an `APIRouter` whose routes are made from a SQLAlchemy model."""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any, Generic, Literal, TypeVar

from fastapi import APIRouter
from fastapi.params import Depends
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._actions import Contexts, with_context
from fastapi_kit.crud._bulk import BulkOperations
from fastapi_kit.crud._engine import Engine
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._export import FORMATS, Exports
from fastapi_kit.crud._hooks import WRITE_OPERATIONS, Hook, Listener, WriteOperation
from fastapi_kit.crud._includes import Links, Many, One
from fastapi_kit.crud._links import Link, LinkOperations
from fastapi_kit.crud._openapi import Documentation
from fastapi_kit.crud._operations import Operation, Operations
from fastapi_kit.crud._overrides import Override, overridden
from fastapi_kit.crud._query import Query
from fastapi_kit.crud._repository import Repository
from fastapi_kit.crud._resource import Schemas, describe
from fastapi_kit.crud._route import CRUDRoute, Endpoint, HeadEndpoint
from fastapi_kit.crud._scope import Scope
from fastapi_kit.crud._served import (
    BULK_OPERATIONS,
    OPERATIONS,
    OperationName,
    check_names,
    check_traits,
    served_operations,
)
from fastapi_kit.crud._traits import OfPrincipal, SoftDeletion, Stamp, Traits, Version

MAX_BODY_SIZE = 256 * 1024
"""Bytes of a request body at most, unless a router says otherwise."""

M = TypeVar("M", bound=DeclarativeBase)
H = TypeVar("H", bound=Hook)
L = TypeVar("L", bound=Listener)
V = TypeVar("V", bound=Override)
A = TypeVar("A", bound=Callable[..., Any])


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
            deletion is soft. `create_many`, `update_many`, `delete_many` and `export` (`/books.csv` and
            `/books.ndjson`) are there only if they are named.
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
        max_body_size: Bytes of a request body at most, where one is read; `None` leaves it to the routers and the app
            above.

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
        dependencies: Mapping[str, Sequence[Depends]] | None = None,
        query: Query | None = None,
        include: Mapping[str, One | Many] | None = None,
        scope: Scope | Mapping[Any, Scope] | None = None,
        stamp: Mapping[str, OfPrincipal | Stamp] | None = None,
        version: str | Version | None = None,
        soft_delete: str | SoftDeletion | None = None,
        lookup: str | None = None,
        parent: str | None = None,
        max_body_size: int | None = MAX_BODY_SIZE,
    ) -> None:
        dependencies = dependencies or {}
        traits = Traits.of(lookup=lookup, parent=parent, version=version, soft_delete=soft_delete, stamp=stamp)
        served = served_operations(routes, traits)
        check_names({*served, *dependencies} - {"*"})
        check_traits(model, served, traits, prefix)
        super().__init__(
            prefix=prefix,
            tags=list(tags),
            route_class=CRUDRoute,
            dependencies=dependencies.get("*", ()),
        )
        self._max_body_size = max_body_size
        self._model = model
        resource = describe(model, Schemas(create, update, replace, read), served, traits)
        self._engine = Engine(resource, query or Query(), include or {}, scope)
        self._operations = Operations(self._engine)
        self._documentation = Documentation(self._engine, prefix)
        self._endpoints: dict[str, Endpoint] = {}
        self._own_routes = 0
        self._contexts = Contexts(self._operations, model)
        for name in OPERATIONS:
            if name in served:
                self._serve(name, dependencies.get(name, ()))
        for related in self._engine.grammar.includes.values():
            if isinstance(related.declared, Links):
                self._serve_links(Link.of(related), dependencies.get("update", ()))

    def add_api_route(self, *arguments: Any, **options: Any) -> None:
        """Add a route of the app's own, before the generated ones: `/books/latest` would be a key to `/books/{id}`."""
        if options.get("max_body_size") is None:
            options["max_body_size"] = self._max_body_size
        super().add_api_route(*arguments, **options)
        self.routes.insert(self._own_routes, self.routes.pop())
        self._own_routes += 1

    def _add_generated(self, endpoint: Endpoint, dependencies: Sequence[Depends], **described: Any) -> None:
        """Add a route; one that reads no body has no limit of its own, as counting costs a tenth of a GET."""
        reads_body = not {"GET", "HEAD", "DELETE"}.issuperset(described["methods"])
        limit = self._max_body_size if reads_body else None
        super().add_api_route(**described, endpoint=endpoint, dependencies=dependencies, max_body_size=limit)

    def repository(self, session: AsyncSession, principal: Any = None, *, parent: Any = None) -> Repository[M]:
        """The same engine without HTTP, in a session, on behalf of a principal.

        Args:
            session: Where everything runs; the caller commits it.
            principal: What scopes and stamps are asked with.
            parent: The value of the parent's column, where there is one.
        """
        path = {} if self._engine.resource.parent is None else {self._engine.resource.parent.name: parent}
        return Repository(self._engine, self._model, session, self._engine.accesses.of(principal, path))

    def override(self, operation: OperationName) -> Callable[[V], V]:
        """Let the decorated function answer in place of a generated operation; `context.default()` is its answer.

        It gives a `Response`, or whatever pydantic can write as JSON. Dependencies stay those of the route.

        Raises:
            ResourceError: The router has no such operation.
        """
        if operation not in self._endpoints:
            raise ResourceError(f"{operation!r} is not served; {', '.join(self._endpoints)} are")
        endpoint = self._endpoints[operation]

        def decorate(function: V) -> V:
            endpoint.operation = overridden(endpoint.operation, function)
            return function

        return decorate

    def action(
        self, name: str, *, on: Literal["item", "collection"] = "item", methods: Sequence[str] = ("POST",), **route: Any
    ) -> Callable[[A], A]:
        """Make the decorated endpoint a route of its own: `POST /books/{id}/publish`, or `POST /books/import`.

        Its first parameter is an `ItemContext` or a `CollectionContext`; the others are FastAPI's. The row is in scope
        and of the version that `If-Match` names.

        Args:
            name: The last segment of the path.
            on: Whether it is about one row, or about all.
            methods: HTTP methods.
            route: Further arguments of `add_api_route`, such as `status_code` and `dependencies`.
        """

        def decorate(endpoint: A) -> A:
            reads = {method.upper() for method in methods} <= {"GET", "HEAD"}
            of_row: Callable[..., Any] = self._contexts.seen_item if reads else self._contexts.item
            provide = of_row if on == "item" else self._contexts.collection
            documented = self._documentation.action(endpoint.__name__, name, of_row=on == "item", reads=reads)
            self.add_api_route(
                endpoint=with_context(endpoint, provide), methods=list(methods), **{**documented, **route}
            )
            return endpoint

        return decorate

    def _serve(self, name: OperationName, dependencies: Sequence[Depends]) -> None:
        if name == "export":
            for form in FORMATS:
                export = Exports(self._operations).operation(form)
                self._add_generated(Endpoint(export), dependencies, **self._documentation.export(form))
            return
        owner = BulkOperations(self._operations) if name in BULK_OPERATIONS else self._operations
        operation: Operation = getattr(owner, name)
        endpoint = self._endpoints[name] = Endpoint(operation)
        described = self._documentation.route(name)
        self._add_generated(endpoint, dependencies, **described)
        if described["methods"] == ["GET"]:
            head = {"path": described["path"], "name": described["name"], "methods": ["HEAD"]}
            self._add_generated(HeadEndpoint(endpoint), dependencies, **head, include_in_schema=False)

    def _serve_links(self, link: Link, dependencies: Sequence[Depends]) -> None:
        operations = LinkOperations(self._operations, link)
        self._add_generated(Endpoint(operations.link), dependencies, **self._documentation.link("PUT", link))
        self._add_generated(Endpoint(operations.unlink), dependencies, **self._documentation.link("DELETE", link))

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
