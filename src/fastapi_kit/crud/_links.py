"""Many-to-many links: rows of a table of pairs, made and removed one at a time."""

from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit.crud._access import Access
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._executor import Work
from fastapi_kit.crud._http import no_parameters
from fastapi_kit.crud._identity import Identity
from fastapi_kit.crud._includes import Related
from fastapi_kit.crud._operations import Operations
from fastapi_kit.errors import ConflictError, NotFoundError

Pair = dict[str, Any]
"""The values of a row of the table of pairs, by column."""
Pairs = tuple[tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]], ...]


@dataclass(frozen=True)
class Link:
    """One many-to-many relationship of a resource."""

    related: Related
    pairs: sa.Table
    """The table of pairs."""
    own: Pairs
    """Columns of the resource's rows, with those of the pairs that hold their values."""
    other: Pairs
    """The same of the related rows."""
    identity: Identity
    """What names a related row."""

    @classmethod
    def of(cls, related: Related) -> "Link":
        """Look at how the rows of a relationship are paired.

        Raises:
            ResourceError: The table of pairs holds more than the pairs, or the names in the path would clash.
        """
        relationship = related.relationship
        secondary: Any = relationship.secondary
        if not isinstance(secondary, sa.Table):
            raise ResourceError(f"{related.name}: Links needs a relationship whose secondary= is a table")
        pairs = cast("sa.Table", secondary)
        own = tuple(relationship.synchronize_pairs)
        other = tuple(relationship.secondary_synchronize_pairs or ())
        held = {column.key for _, column in (*own, *other)}
        missing = [it.key for it in pairs.columns if it.key not in held and _is_needed(it)]
        if missing:
            raise ResourceError(f"{related.name}: a link needs values of {', '.join(missing)}, which no path has")
        return cls(related, pairs, own, other, Identity(related.mapped.keys, prefix=f"{related.name}_"))

    def find(self, access: Access) -> sa.Select[Any]:
        """Both rows, if they are there and in scope: the values of the pair."""
        statements = access.statements
        scope = statements.conditions.of(self.related.mapped.model)
        own = _values(self.own).where(*statements.is_row).subquery("own")
        other = _values(self.other).where(self.identity.condition, *scope).subquery("other")
        return sa.select(*own.columns, *other.columns).select_from(own.join(other, sa.true()))

    def is_pair(self, pair: Pair) -> sa.ColumnElement[bool]:
        """The condition of a row of the table of pairs."""
        return sa.and_(*(self.pairs.columns[name] == value for name, value in pair.items()))


def _values(pairs: Pairs) -> sa.Select[Any]:
    return sa.select(*(column.label(str(held.key)) for column, held in pairs))


def _is_needed(column: sa.Column[Any]) -> bool:
    return not column.nullable and column.default is None and column.server_default is None


class LinkOperations:
    """The operations of one link; each is an `Operation`."""

    def __init__(self, operations: Operations, link: Link) -> None:
        self._operations = operations
        self._resource = operations.engine.resource
        self._link = link

    async def link(self, request: Request, session: AsyncSession | None) -> Response:
        """The pair is there: 204, also if it was before."""
        return await self._run(request, session, self._make)

    async def unlink(self, request: Request, session: AsyncSession | None) -> Response:
        """The pair is not there any more: 204, also if it was not before."""
        return await self._run(request, session, self._remove)

    async def _run(self, request: Request, session: AsyncSession | None, work: Any) -> Response:
        no_parameters(request)
        own = self._resource.identity.read(request.path_params)
        keys = {**own, **self._link.identity.read(request.path_params)}
        access, writer = self._operations.writer(request, session)
        found: Work[Pair] = self._found(access, {**keys, **access.values})
        executor = writer.executor
        await self._settle(executor, await executor.run(found), work)
        await writer.announce(executor, writer.changed("update", [tuple(own.values())]))
        return Response(status_code=204)

    async def _settle(self, executor: Any, pair: Pair, work: Any) -> None:
        try:
            await executor.run(work(pair))
        except ConflictError as error:
            if error.extensions.get("violation") != "unique":
                raise  # somebody else was quicker, and it is there

    def _found(self, access: Access, parameters: dict[str, Any]) -> Work[Pair]:
        find = self._link.find(access)

        def work(connection: sa.Connection) -> Pair:
            pair = connection.execute(find, parameters).mappings().first()
            if pair is None:
                raise NotFoundError(f"There is no such {self._resource.title}, or nothing to link it with.")
            return dict(pair)

        return work

    def _make(self, pair: Pair) -> Work[None]:
        link = self._link
        there = sa.select(sa.literal_column("1", sa.Integer())).select_from(link.pairs).where(link.is_pair(pair))

        def work(connection: sa.Connection) -> None:
            if connection.execute(there).first() is None:
                connection.execute(sa.insert(link.pairs), pair)

        return work

    def _remove(self, pair: Pair) -> Work[None]:
        gone = sa.delete(self._link.pairs).where(self._link.is_pair(pair))

        def work(connection: sa.Connection) -> None:
            connection.execute(gone)

        return work
