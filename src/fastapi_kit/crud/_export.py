"""Exports: every row of a list as CSV or NDJSON, in constant memory.

Theory of operation. Rows are read in pages by key, each by one statement on a connection of its own, and sent before
the next ones are read: no connection is held while a slow client reads, and no transaction stays open. The rows are
therefore no snapshot: one that is changed meanwhile may come as it was or as it is, and every row that was there all
the time comes once. The first page is read before the answer starts, so what can be refused is refused with a status. A
failure after that ends the connection without the end of the body, so that what is incomplete looks incomplete.
"""

import csv
import io
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from types import GenericAlias
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit.crud._access import Access
from fastapi_kit.crud._answers import NOTHING, Layout, Output
from fastapi_kit.crud._executor import Executor
from fastapi_kit.crud._http import foreign
from fastapi_kit.crud._operations import Operations
from fastapi_kit.crud._reads import Found, read_page
from fastapi_kit.crud._requests import ListRequest, at
from fastapi_kit.crud._resource import Resource
from fastapi_kit.db import database_of
from fastapi_kit.pagination import Position

CHUNK = 1_000
"""Rows that are read at a time."""

Encode = Callable[[Found, bool], bytes]
"""Writes a page; the second argument says whether it is the first."""


@dataclass(frozen=True)
class Format:
    """A form in which rows are sent."""

    suffix: str
    """Of the path, after that of the list: `.csv`."""
    media_type: str
    encoder: Callable[[Resource, Output, Layout], Encode]


class Exports:
    """The exports of one resource."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._engine = operations.engine

    def operation(self, form: Format) -> Callable[[Request, AsyncSession | None], Any]:
        """The operation that sends rows in a form."""

        async def export(request: Request, session: AsyncSession | None) -> Response:
            asked = self._engine.queries.export(request.scope["query_string"], foreign(request))
            asked = replace(asked, limit=CHUNK, count="none")
            access = self._operations.access(request)
            self._operations.seen(access, asked.deleted)
            executor = self._operations.executor(request, session)
            first = await executor.run(self._work(access, asked))
            if self._engine.resource.parent is not None and not first.rows:
                await self._operations.see_parent(access, executor)
            # The session ends with the answer's start; a database override in tests is the request's, too.
            streaming = Executor(self._engine.resource, database_of(request), None)
            name = request.scope["path"].rpartition("/")[2]
            return StreamingResponse(
                self._stream(form, streaming, access, asked, first),
                media_type=form.media_type,
                headers={"Content-Disposition": f'attachment; filename="{name}"'},
            )

        return export

    def _work(self, access: Access, asked: ListRequest) -> Any:
        return read_page(access.statements_of(asked.deleted), asked, access.values)

    async def _stream(
        self, form: Format, executor: Executor, access: Access, asked: ListRequest, found: Found
    ) -> AsyncGenerator[bytes]:
        encode = form.encoder(self._engine.resource, self._engine.output, found.layout)
        yield encode(found, True)
        while found.has_next and found.rows:
            last, places = found.rows[-1], found.layout.places
            values = tuple(last[places[term.attribute.name]] for term in asked.shape.order)
            found = await executor.run(self._work(access, at(asked, Position(values))))
            yield encode(found, False)


def _ndjson(_resource: Resource, output: Output, _layout: Layout) -> Encode:
    def encode(found: Found, _first: bool) -> bytes:
        values = output.values(found.rows, found.layout, NOTHING)
        return b"".join(output.write(value, found.layout) + b"\n" for value in values)

    return encode


def _csv(resource: Resource, output: Output, layout: Layout) -> Encode:
    rows = _plain_rows(resource, layout) if output.is_plain else _written_rows(output)
    names = output.columns(layout)

    def encode(found: Found, first: bool) -> bytes:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        if first:
            writer.writerow(names)
        writer.writerows(rows(found))
        return buffer.getvalue().encode()

    return encode


def _plain_rows(resource: Resource, layout: Layout) -> Callable[[Found], Any]:
    """Cells column by column: what a column needs to be done to it is done to all its values at once."""
    writers = [_column_writer(resource.visible[name].kind.read) for name in layout.names]

    def rows(found: Found) -> Any:
        columns = zip(*found.rows)  # noqa: B905 - rows are of one length
        return zip(*(write(column) for write, column in zip(writers, columns)))  # noqa: B905 - the rest is for the server

    return rows


def _written_rows(output: Output) -> Callable[[Found], Any]:
    def rows(found: Found) -> Any:
        for value in output.values(found.rows, found.layout, NOTHING):
            written: Mapping[str, Any] = json.loads(output.write(value, found.layout))
            yield [_cell(it) for it in written.values()]

    return rows


Column = tuple[Any, ...]

_TEXT, _NUMBERS = {str, str | None}, {int, float, int | None, float | None}
_HARMLESS = {date, datetime, UUID, date | None, datetime | None, UUID | None}
"""Types whose text begins with a digit or a letter."""


def _column_writer(annotation: Any) -> Callable[[Column], Sequence[Any]]:
    """What makes cells of a column's values."""
    if annotation in _NUMBERS:
        return _as_it_is
    if annotation in _TEXT:
        return _harmless_column
    of_column: Any = GenericAlias(tuple, (annotation, ...))
    write = TypeAdapter[Any](of_column).serializer.to_python
    if annotation in _HARMLESS:
        return partial(write, mode="json")
    return lambda column: [_cell(value) for value in write(column, mode="json")]


def _as_it_is(column: Column) -> Column:
    return column


def _harmless_column(column: Column) -> list[str | None]:
    """As `_harmless`, which is not even called for nearly all texts."""
    return [text if not text or text[0] not in _BEGINS_FORMULA else _harmless(text) for text in column]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return _harmless(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else value


def _harmless(text: str | None) -> str | None:
    """Text that spreadsheets would take for a formula gets an apostrophe in front (OWASP, "CSV injection")."""
    if not text or text[0] not in _BEGINS_FORMULA or _NEGATIVE.fullmatch(text):
        return text
    return f"'{text}"


_BEGINS_FORMULA = "=+-@\t\r"
_NEGATIVE = re.compile(r"-(\d+(\.\d+)?([eE][+-]?\d+)?|P[0-9YMWDTHS.]+)")
"""Decimals and spans of time are text in JSON, too, and no formula."""


FORMATS: Sequence[Format] = (
    Format(".csv", "text/csv; charset=utf-8", _csv),
    Format(".ndjson", "application/x-ndjson", _ndjson),
)
