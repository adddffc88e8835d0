"""What each generated route does: read the request (pure), run one statement (the executor), write the bytes (pure)."""

from collections.abc import Awaitable, Collection, Mapping
from email.message import Message
from typing import Any, Protocol, cast
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Request, Response
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit.crud._executor import Executor, Work
from fastapi_kit.crud._parameters import ListRequest, read_list, refuse_parameters
from fastapi_kit.crud._query import COUNT_CAP, ListGrammar, text_parser
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._statements import KEY, Statements
from fastapi_kit.db import database_of
from fastapi_kit.errors import FieldError, NotFoundError, UnsupportedMediaTypeError, ValidationProblem
from fastapi_kit.pagination import TotalRelation

FOREIGN_PARAMETERS = "fastapi_kit.crud.foreign_parameters"
"""Scope key: names of the query parameters that the route's dependencies take."""

Rows = list[sa.Row[Any]]


class Operation(Protocol):
    """One generated route's work."""

    def __call__(self, request: Request, session: AsyncSession | None, /) -> Awaitable[Response]:
        """Answer the request; `session` is the one its dependencies gave."""
        ...


class Operations:
    """The operations of one resource; each is an `Operation`."""

    def __init__(self, resource: Resource, grammar: ListGrammar) -> None:
        self._resource = resource
        self._grammar = grammar
        self._statements = Statements(resource, grammar)
        self._read_key = text_parser(resource.key.kind.value)
        self._write_key = TypeAdapter[Any](resource.key.kind.read).serializer.to_python
        self._columns = {name: column.key for name, column in resource.columns.items()}

    async def list(self, request: Request, session: AsyncSession | None) -> Response:
        """A page of rows, with the total as far as it was asked for."""
        asked = read_list(request.scope["query_string"], self._grammar, _foreign(request))
        select = self._statements.list(asked.shape)

        def work(connection: sa.Connection) -> tuple[Rows, int | None, TotalRelation]:
            rows = list(connection.execute(select, asked.values))
            return rows, *self._total(connection, asked, len(rows))

        rows, total, relation = await self._executor(request, session).run(work)
        return _json(self._resource.output.many(rows, total, relation))

    async def get(self, request: Request, session: AsyncSession | None) -> Response:
        """One row."""
        _no_parameters(request)
        parameters = {KEY: self._key(request)}
        row = await self._executor(request, session).run(_first(self._statements.get, parameters))
        return self._found(row)

    async def create(self, request: Request, session: AsyncSession | None) -> Response:
        """A new row: 201 with its `Location`."""
        _no_parameters(request)
        values = await self._body(request, "create")
        row = await self._executor(request, session).run(_first(self._statements.insert, values), values)
        headers = {"Location": f"{quote(request.scope['path'].rstrip('/'))}/{self._key_text(row)}"}
        return _json(self._resource.output.one(row), status=201, headers=headers)

    async def replace(self, request: Request, session: AsyncSession | None) -> Response:
        """The whole row anew, except its key."""
        return await self._write(request, session, "replace")

    async def update(self, request: Request, session: AsyncSession | None) -> Response:
        """A merge patch (RFC 7396): what was sent is written, and nothing else."""
        return await self._write(request, session, "update")

    async def delete(self, request: Request, session: AsyncSession | None) -> Response:
        """No row any more: 204."""
        _no_parameters(request)
        parameters = {KEY: self._key(request)}
        statement = self._statements.delete
        count = await self._executor(request, session).run(
            lambda connection: connection.execute(statement, parameters).rowcount
        )
        if not count:
            raise self._not_found()
        return Response(status_code=204)

    async def _write(self, request: Request, session: AsyncSession | None, operation: str) -> Response:
        _no_parameters(request)
        key = {KEY: self._key(request)}
        values = await self._body(request, operation)
        executor = self._executor(request, session)
        if not values:
            row = await executor.run(_first(self._statements.get, key))
        elif _dialect(request, session).update_returning:
            row = await executor.run(_first(self._statements.update, {**values, **key}), values)
        else:
            row = await executor.run_together(self._update_and_get(values, key), values)
        return self._found(row)

    def _update_and_get(self, values: Mapping[str, Any], key: Mapping[str, Any]) -> Work[Any]:
        def work(connection: sa.Connection) -> Any:
            connection.execute(self._statements.update_only, {**values, **key})
            return connection.execute(self._statements.get, key).first()

        return work

    def _total(self, connection: sa.Connection, asked: ListRequest, found: int) -> tuple[int | None, TotalRelation]:
        """Count no more than must be counted: a page that is not full is the last one."""
        if asked.count == "none":
            return None, "eq"
        if found < asked.limit and (found or not asked.offset):
            return asked.offset + found, "eq"
        if asked.count == "exact":
            return connection.execute(self._statements.count_exact(asked.shape), asked.values).scalar_one(), "eq"
        counted: int = connection.execute(self._statements.count_capped(asked.shape), asked.values).scalar_one()
        return min(counted, COUNT_CAP), "gte" if counted > COUNT_CAP else "eq"

    def _executor(self, request: Request, session: AsyncSession | None) -> Executor:
        return Executor(self._resource, request, session)

    def _key_text(self, row: sa.Row[Any]) -> str:
        """The key as a segment of a path."""
        return quote(str(self._write_key(self._resource.output.key(row), mode="json")), safe="")

    def _key(self, request: Request) -> Any:
        name = self._resource.key.name
        try:
            return self._read_key(request.path_params[name])
        except ValidationError as error:
            raise ValidationProblem(_field_errors(error, "path", name)) from error

    async def _body(self, request: Request, operation: str) -> dict[str, Any]:
        """The values to write, by column."""
        _require_json(request)
        try:
            values = self._resource.inputs[operation].values(await request.body())
        except ValidationError as error:
            raise ValidationProblem(_field_errors(error, "body")) from error
        columns = self._columns
        return {columns[name]: value for name, value in values.items()}

    def _found(self, row: Any) -> Response:
        if row is None:
            raise self._not_found()
        return _json(self._resource.output.one(row))

    def _not_found(self) -> NotFoundError:
        return NotFoundError(f"There is no {self._resource.name.replace('_', ' ')} with this key.")


def _first(statement: sa.Executable, parameters: Mapping[str, Any]) -> Work[Any]:
    return lambda connection: connection.execute(statement, parameters).first()


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


def _dialect(request: Request, session: AsyncSession | None) -> sa.Dialect:
    return session.get_bind().dialect if session else database_of(request).engine.dialect


def _foreign(request: Request) -> Collection[str]:
    names: Collection[str] = request.scope.get(FOREIGN_PARAMETERS, ())
    return names


def _no_parameters(request: Request) -> None:
    if query_string := request.scope["query_string"]:
        refuse_parameters(query_string, _foreign(request))


def _require_json(request: Request) -> None:
    given = request.headers.get("content-type", "")
    if given == "application/json":
        return
    message = Message()
    message["content-type"] = given
    kind = message.get_content_type() if given else ""
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaTypeError("The body must be JSON: send it with Content-Type: application/json.")


def _field_errors(error: ValidationError, *place: str) -> list[FieldError]:
    """The errors in FastAPI's form: with the input, which whoever writes the answer keeps out of it."""
    found = error.errors(include_url=False)
    return [cast("FieldError", {**_without_document(each), "loc": (*place, *each["loc"])}) for each in found]


def _without_document(error: ErrorDetails) -> dict[str, Any]:
    """An error of JSON itself is about no value in it, and its message is the parser's own."""
    return {name: value for name, value in error.items() if name != "input" or error["type"] != "json_invalid"}
