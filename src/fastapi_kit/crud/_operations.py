"""What each generated route does: read the request (pure), run its work (the executor), write the bytes (pure)."""

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit._asgi import SESSION
from fastapi_kit._principal import has_principal, principal_of
from fastapi_kit.crud._access import Access
from fastapi_kit.crud._engine import Engine
from fastapi_kit.crud._etags import MalformedTagsError, etag, is_known, matching_versions
from fastapi_kit.crud._executor import Executor
from fastapi_kit.crud._http import foreign, json_response, links_beside, list_header, no_parameters, require_json
from fastapi_kit.crud._parsing import valid
from fastapi_kit.crud._reads import cursors_of, read_page, read_row
from fastapi_kit.crud._requests import DeletedMode
from fastapi_kit.crud._steps import Target
from fastapi_kit.crud._writer import Writer
from fastapi_kit.db import database_of
from fastapi_kit.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    PreconditionRequiredError,
    UnauthorizedError,
)


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
        return json_response(body, headers=links_beside(asked, following, preceding))

    async def get(self, request: Request, session: AsyncSession | None) -> Response:
        """One row."""
        asked = self._queries.row(request.scope["query_string"], foreign(request))
        access = self.access(request)
        prepared = access.statements_of(self.seen(access, asked.deleted)).row(asked.view)
        key = self._resource.identity.read(request.path_params)
        found = await self.executor(request, session).run(read_row(prepared, key, access.values))
        if found.row is None:
            raise self._resource.not_found()
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
        given = list_header(request, "if-match")
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
        return valid(lambda: self._resource.inputs[operation].values(body))

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
        given = list_header(request, "if-none-match")
        if given is None:
            return False
        try:
            return is_known(given, int(headers["ETag"].strip('"')))
        except MalformedTagsError:
            raise BadRequestError("If-None-Match is neither * nor a list of entity tags.") from None
