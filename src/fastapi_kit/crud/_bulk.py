"""The operations on many rows at once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit.crud._access import Access
from fastapi_kit.crud._bulk_bodies import BulkInput, refuse_repetition
from fastapi_kit.crud._bulk_writer import BulkWriter
from fastapi_kit.crud._http import foreign, json_response, no_parameters, require_json
from fastapi_kit.crud._operations import Operations
from fastapi_kit.crud._parsing import valid
from fastapi_kit.crud._steps import Target

T = TypeVar("T")


class BulkOperations:
    """The operations of one resource on many rows; each is an `Operation`."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._engine = operations.engine
        self._resource = operations.engine.resource

    async def create_many(self, request: Request, session: AsyncSession | None) -> Response:
        """New rows, all or none: 201."""
        no_parameters(request)
        bulk = self._engine.bulk["create"]
        items = await self._items(request, bulk)
        bodies = self._of_each(items, bulk.input.values_of)
        access, writer = self._operations.writer(request, session)
        return self._rows(await BulkWriter(writer).create(bodies), access, status=201)

    async def update_many(self, request: Request, session: AsyncSession | None) -> Response:
        """A merge patch of each of many rows, all or none."""
        no_parameters(request)
        bulk = self._engine.bulk["update"]
        items = await self._items(request, bulk)
        changes = self._of_each(items, lambda item: bulk.change(self._resource, item))
        refuse_repetition([target for target, _ in changes])
        access, writer = self._operations.writer(request, session)
        return self._rows(await BulkWriter(writer).update(changes), access)

    async def delete_many(self, request: Request, session: AsyncSession | None) -> Response:
        """No rows any more, all or none: 204."""
        identity = self._resource.identity
        keys = self._engine.queries.keys(request.scope["query_string"], foreign(request), identity.attributes[0])
        _, writer = self._operations.writer(request, session)
        await BulkWriter(writer).delete([Target(identity.parameters(key)) for key in keys])
        return Response(status_code=204)

    async def _items(self, request: Request, bulk: BulkInput) -> Sequence[Any]:
        require_json(request)
        body = await request.body()
        return valid(lambda: bulk.adapter.validate_json(body))

    def _of_each(self, items: Sequence[Any], make: Callable[[Any], T]) -> Sequence[T]:
        return [valid(partial(make, item), place) for place, item in enumerate(items)]

    def _rows(self, rows: Sequence[sa.Row[Any]], access: Access, status: int = 200) -> Response:
        layout = access.statements.layout
        written = (self._engine.output.one(row, layout) for row in rows)
        return json_response(b"[" + b",".join(written) + b"]", status)
