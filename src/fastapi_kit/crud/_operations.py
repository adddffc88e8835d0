"""What each generated route does: read the request (pure), run its work (the executor), write the bytes (pure)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.message import Message
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Request, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit._asgi import SESSION
from fastapi_kit._principal import has_principal, principal_of
from fastapi_kit.crud._access import Access
from fastapi_kit.crud._bulk import BulkInput, BulkWriter, refuse_repetition
from fastapi_kit.crud._engine import Engine
from fastapi_kit.crud._etags import MalformedTagsError, etag, is_known, matching_versions
from fastapi_kit.crud._executor import Executor
from fastapi_kit.crud._parameters import refuse_parameters
from fastapi_kit.crud._parsing import field_errors
from fastapi_kit.crud._reads import cursors_of, read_page, read_row
from fastapi_kit.crud._requests import DeletedMode, ListRequest
from fastapi_kit.crud._steps import Target
from fastapi_kit.crud._writer import Writer
from fastapi_kit.db import database_of
from fastapi_kit.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    PreconditionRequiredError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
    ValidationProblem,
)

FOREIGN_PARAMETERS = "fastapi_kit.crud.foreign_parameters"
"""Scope key: names of the query parameters that the route's dependencies take."""

T = TypeVar("T")


class Operation(Protocol):
    """One generated route's work."""

    def __call__(self, request: Request, session: AsyncSession | None, /) -> Awaitable[Response]:
        """Answer the request; `session` is the one its dependencies gave."""
        ...


class Operations:
    """The operations of one resource; each is an `Operation`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = self._engine = engine
        self._resource = engine.resource
        self._queries = engine.queries
        self._output = engine.output

    async def list(self, request: Request, session: AsyncSession | None) -> Response:
        """A page of rows, with the total as far as it was asked for."""
        asked = self._queries.list(request.scope["query_string"], foreign(request))
        access = self.access(request)
        statements = access.statements_of(self.seen(access, asked.deleted))
        found = await self.executor(request, session).run(read_page(statements, asked, access.values))
        if self._resource.parent is not None and not found.rows:
            await self.see_parent(access, self.executor(request, session))
        following, preceding = cursors_of(found, asked, self._queries.cursors)
        page = {
            "total": found.total,
            "total_relation": found.relation,
            "next_cursor": following,
            "previous_cursor": preceding,
        }
        values = self._output.values(found.rows, found.layout, found.children)
        body = self._output.many(values, found.layout, page)
        return json_response(body, headers=_links(asked, following, preceding))

    async def get(self, request: Request, session: AsyncSession | None) -> Response:
        """One row."""
        asked = self._queries.row(request.scope["query_string"], foreign(request))
        access = self.access(request)
        prepared = access.statements_of(self.seen(access, asked.deleted)).row(asked.view)
        key = self._resource.identity.read(request.path_params)
        found = await self.executor(request, session).run(read_row(prepared, key, access.values))
        if found.row is None:
            raise self._not_found()
        # What is included may change without the row's version, so it has no tag.
        headers = {} if asked.view.includes else self._tag(found.row, found.layout.places)
        if headers and self._is_known(request, headers):
            return Response(status_code=304, headers=headers)
        return json_response(self._output.one(found.row, found.layout, found.children), headers=headers)

    async def create(self, request: Request, session: AsyncSession | None) -> Response:
        """A new row: 201 with its `Location`."""
        no_parameters(request)
        values = await self.body(request, "create")
        access, writer = self.writer(request, session)
        row = await writer.create(values)
        segments = self._resource.identity.segments(writer.identity(row, None))
        headers = {"Location": f"{quote(request.scope['path'].rstrip('/'))}/{segments}"}
        return self._row(row, access, status=201, headers=headers)

    async def replace(self, request: Request, session: AsyncSession | None) -> Response:
        """The whole row anew, except its key."""
        no_parameters(request)
        target = self.target(request)
        values = await self.body(request, "replace")
        access, writer = self.writer(request, session)
        return self._row(await writer.change("replace", target, values), access)

    async def update(self, request: Request, session: AsyncSession | None) -> Response:
        """A merge patch (RFC 7396): what was sent is written, and nothing else."""
        no_parameters(request)
        target = self.target(request)
        values = await self.body(request, "update")
        access, writer = self.writer(request, session)
        return self._row(await writer.change("update", target, values), access)

    async def delete(self, request: Request, session: AsyncSession | None) -> Response:
        """No row any more: 204."""
        no_parameters(request)
        _, writer = self.writer(request, session)
        await writer.delete(self.target(request))
        return Response(status_code=204)

    async def restore(self, request: Request, session: AsyncSession | None) -> Response:
        """A deleted row in use again."""
        no_parameters(request)
        access, writer = self.writer(request, session)
        return self._row(await writer.restore(self.target(request)), access)

    async def create_many(self, request: Request, session: AsyncSession | None) -> Response:
        """New rows, all or none: 201."""
        no_parameters(request)
        bulk = self._engine.bulk["create"]
        items = await self._items(request, bulk)
        bodies = self._of_each(items, bulk.input.values_of)
        access, writer = self.writer(request, session)
        return self._rows(await BulkWriter(writer).create(bodies), access, status=201)

    async def update_many(self, request: Request, session: AsyncSession | None) -> Response:
        """A merge patch of each of many rows, all or none."""
        no_parameters(request)
        bulk = self._engine.bulk["update"]
        items = await self._items(request, bulk)
        changes = self._of_each(items, lambda item: bulk.change(self._resource, item))
        refuse_repetition([target for target, _ in changes])
        access, writer = self.writer(request, session)
        return self._rows(await BulkWriter(writer).update(changes), access)

    async def delete_many(self, request: Request, session: AsyncSession | None) -> Response:
        """No rows any more, all or none: 204."""
        identity = self._resource.identity
        keys = self._queries.keys(request.scope["query_string"], foreign(request), identity.attributes[0])
        _, writer = self.writer(request, session)
        await BulkWriter(writer).delete([Target(identity.parameters(key)) for key in keys])
        return Response(status_code=204)

    async def _items(self, request: Request, bulk: BulkInput) -> Sequence[Any]:
        require_json(request)
        body = await request.body()
        return self._validated(lambda: bulk.adapter.validate_json(body))

    def _of_each(self, items: Sequence[Any], make: Callable[[Any], T]) -> Sequence[T]:
        return [self._validated(partial(make, item), place) for place, item in enumerate(items)]

    def _validated(self, make: Callable[[], T], *place: int) -> T:
        try:
            return make()
        except ValidationError as error:
            raise ValidationProblem(field_errors(error, "body", *place)) from error

    def _rows(self, rows: Sequence[sa.Row[Any]], access: Access, status: int = 200) -> Response:
        layout = access.statements.layout
        written = (self._output.one(row, layout) for row in rows)
        return json_response(b"[" + b",".join(written) + b"]", status)

    def access(self, request: Request) -> Access:
        """What this request can reach.

        Raises:
            UnauthorizedError: There is a scope, and nobody has said who asks.
        """
        scope = request.scope
        if self._engine.needs_principal and not has_principal(scope):
            raise UnauthorizedError("The request has no credentials.", headers={"WWW-Authenticate": "Bearer"})
        return self._engine.accesses.of(principal_of(scope), request.path_params)

    def executor(self, request: Request, session: AsyncSession | None) -> Executor:
        """Where this request's work runs.

        A session that was put in place of the kit's own is used as it is: whoever put it there relies on it.
        """
        database = None if session is not None else database_of(request)
        opened_here = session is not None and request.scope.get(SESSION) is session
        if opened_here:
            database = database_of(request)
        return Executor(self._resource, database, session, joins=not opened_here)

    def writer(self, request: Request, session: AsyncSession | None) -> tuple[Access, Writer]:
        """What writes for this request."""
        access = self.access(request)
        return access, Writer(self._engine.rules, access, self.executor(request, session), request)

    def target(self, request: Request) -> Target:
        """The row that the path names, of a version that `If-Match` names.

        Raises:
            ValidationProblem: The path holds no possible key.
            BadRequestError: `If-Match` is no list of entity tags.
            PreconditionRequiredError: It is missing where it is required.
        """
        key = self._resource.identity.read(request.path_params)
        declared = self._resource.traits.version
        if declared is None:
            return Target(key)
        given = _list_header(request, "if-match")
        if given is None:
            if declared.required:
                raise PreconditionRequiredError("Send the ETag of the row that you have seen in If-Match.")
            return Target(key)
        try:
            return Target(key, matching_versions(given))
        except MalformedTagsError:
            raise BadRequestError("If-Match is neither * nor a list of entity tags.") from None

    async def body(self, request: Request, operation: str) -> dict[str, Any]:
        """The values to write, by attribute."""
        require_json(request)
        body = await request.body()
        return self._validated(lambda: self._resource.inputs[operation].values(body))

    def seen(self, access: Access, mode: DeletedMode) -> DeletedMode:
        """The mode, if the principal may use it.

        Raises:
            ForbiddenError: It may not.
        """
        declared = self._resource.traits.soft_delete
        if mode != "exclude" and not (declared and declared.visible_to and declared.visible_to(access.principal)):
            raise ForbiddenError("You may not see deleted rows.")
        return mode

    async def see_parent(self, access: Access, executor: Executor) -> None:
        """See that there is a row above.

        Raises:
            NotFoundError: There is none.
        """
        if not await executor.run(self._engine.parent_exists(access)):
            raise NotFoundError("There is nothing at this path.")

    def _row(
        self, row: sa.Row[Any], access: Access, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        layout = access.statements.layout
        headers = {**(headers or {}), **self._tag(row, layout.places)}
        return json_response(self._output.one(row, layout), status, headers)

    def _tag(self, row: sa.Row[Any], places: Mapping[str, int]) -> dict[str, str]:
        version = self._resource.version
        return {} if version is None else {"ETag": etag(row[places[version.name]])}

    def _is_known(self, request: Request, headers: Mapping[str, str]) -> bool:
        given = _list_header(request, "if-none-match")
        if given is None:
            return False
        try:
            return is_known(given, int(headers["ETag"].strip('"')))
        except MalformedTagsError:
            raise BadRequestError("If-None-Match is neither * nor a list of entity tags.") from None

    def _not_found(self) -> NotFoundError:
        return NotFoundError(f"There is no {self._resource.title} with this key.")


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON that is written already."""
    return Response(body, status, headers, media_type="application/json")


def _links(asked: ListRequest, following: str | None, preceding: str | None) -> dict[str, str]:
    """`Link` to the pages beside this one (RFC 8288), relative to it."""
    pairs = (("next", following), ("prev", preceding))
    links = [f'<?{asked.beside}cursor={cursor}>; rel="{rel}"' for rel, cursor in pairs if cursor]
    return {"Link": ", ".join(links)} if links else {}


def _list_header(request: Request, name: str) -> str | None:
    """A header that is a list: what is sent as several is one (RFC 9110, section 5.3)."""
    return ",".join(found) if (found := request.headers.getlist(name)) else None


def foreign(request: Request) -> frozenset[str]:
    """The parameters that belong to the route's dependencies."""
    names: frozenset[str] = request.scope.get(FOREIGN_PARAMETERS, frozenset())
    return names


def no_parameters(request: Request) -> None:
    """See that a request has no parameters of its own."""
    if query_string := request.scope["query_string"]:
        refuse_parameters(query_string, foreign(request))


def require_json(request: Request) -> None:
    """See that the body says that it is JSON."""
    given = request.headers.get("content-type", "")
    if given == "application/json":
        return
    message = Message()
    message["content-type"] = given
    kind = message.get_content_type() if given else ""
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaTypeError("The body must be JSON: send it with Content-Type: application/json.")
