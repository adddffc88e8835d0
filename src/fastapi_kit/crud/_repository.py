"""`Repository`: the engine of a router without HTTP, for jobs, scripts and endpoints of one's own.

It gives instances of the model, which belong to the session. What a router's routes obey holds here, too: scope,
stamps, hooks, events, versions, soft deletion. Values are the caller's word: they are not validated by schemas.
"""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._access import Access
from fastapi_kit.crud._bulk_writer import BulkWriter
from fastapi_kit.crud._engine import Engine
from fastapi_kit.crud._executor import Executor
from fastapi_kit.crud._order import Order
from fastapi_kit.crud._reads import count_matches
from fastapi_kit.crud._requests import WHOLE, DeletedMode, ListRequest, at
from fastapi_kit.crud._steps import Target
from fastapi_kit.crud._upsert_terms import UpsertTerms
from fastapi_kit.crud._upsert_writer import UpsertWriter
from fastapi_kit.crud._values import chunks
from fastapi_kit.crud._writer import Writer
from fastapi_kit.pagination import NoCursorError, Position

M = TypeVar("M", bound=DeclarativeBase)

Values = Mapping[str, Any]
"""Values by attribute."""


@dataclass(frozen=True)
class Listing(Generic[M]):
    """A page of instances."""

    items: Sequence[M]
    next_cursor: str | None
    """Gives the items after these; `None` if there are none."""


class Repository(Generic[M]):
    """Reads and writes the rows of one resource; made by `CRUDRouter.repository`.

    Everything runs in the session that it was made with, and takes effect when that is committed. Not safe for
    concurrent use, as a session is not.
    """

    def __init__(self, engine: Engine, model: type[M], session: AsyncSession, access: Access) -> None:
        self._engine = engine
        self._model = model
        self._session = session
        self._access = access
        self._executor = Executor(engine.resource, None, session)
        self._writer = Writer(engine.rules, access, self._executor)
        self._bulk = BulkWriter(self._writer)
        self._upserts = UpsertWriter(self._writer)

    async def get(self, key: Any, *, deleted: DeletedMode = "exclude") -> M | None:
        """The row of a key (a tuple for a composite one), or `None` if it is absent or out of scope."""
        return await self.find(self._engine.resource.identity.parameters(key), deleted)

    async def find(self, identity: Values, deleted: DeletedMode = "exclude", *, lock: bool = False) -> M | None:
        """The row of the parameters of an identity, or `None` if it is absent or out of scope.

        Args:
            identity: The parameters.
            deleted: Which rows are meant, where deletion is soft.
            lock: Let others who would change it wait for this session; SQLite's sessions wait anyway.
        """
        select = self._access.statements_of(deleted).row(WHOLE).select
        select = select.with_for_update() if lock else select
        found = await self._instances(select, identity)
        return found[0] if found else None

    async def list(  # noqa: PLR0913 - the parameters of a list request, each by its name
        self,
        where: Values | None = None,
        *,
        search: str = "",
        sort: str = "",
        limit: int = 100,
        cursor: str | None = None,
        deleted: DeletedMode = "exclude",
    ) -> Listing[M]:
        """Some rows, in order.

        Args:
            where: Values by filter, as the router declares them: `{"pages__gte": 100, "author.name": "Tolkien"}`.
            search: Words.
            sort: In the grammar of the parameter.
            limit: Rows at most.
            cursor: `next_cursor` of an earlier call with the same arguments.
            deleted: Which rows are meant, where deletion is soft.

        Raises:
            ValueError: There is no such filter, order or cursor.
        """
        asked = self._engine.queries.build(where or {}, search, sort, limit, deleted)
        if cursor is not None:
            cursors = self._engine.queries.cursors
            asked = at(asked, cursors.decode(cursor, asked.shape.order, asked.binding))
        items = await self._page(asked, limit + 1)
        following = self._cursor(items[limit - 1], asked) if len(items) > limit else None
        return Listing(items[:limit], following)

    async def stream(
        self, where: Values | None = None, *, search: str = "", sort: str = "", batch: int = 1_000
    ) -> AsyncGenerator[M]:
        """All rows, in order, read `batch` at a time: memory does not grow with their number, if the caller lets go."""
        asked = self._engine.queries.build(where or {}, search, sort, batch, "exclude")
        while True:
            items = await self._page(asked, batch)
            for item in items:
                yield item
            if len(items) < batch:
                return
            asked = at(asked, Position(self._position(items[-1], asked.shape.order)))

    async def count(self, where: Values | None = None, *, search: str = "", deleted: DeletedMode = "exclude") -> int:
        """How many rows match."""
        asked = self._engine.queries.build(where or {}, search, "", 1, deleted)
        return await self._executor.run(count_matches(self._access.statements_of(deleted), asked, self._access.values))

    async def create(self, values: Values) -> M:
        """Make a row.

        Raises:
            ConflictError: It violates a constraint.
            ForbiddenError: It would be out of scope.
        """
        return await self._stored(self._writer.identity(await self._writer.create(self._known(values)), None))

    async def create_many(self, rows: Sequence[Values]) -> Sequence[M]:
        """Make rows, all or none; they come back in the order of their values.

        Raises:
            ConflictError: One violates a constraint.
            ForbiddenError: One would be out of scope.
        """
        if not rows:
            return []
        made = await self._bulk.create([self._known(values) for values in rows])
        return await self._all_stored([self._writer.identity(row, None) for row in made])

    async def upsert(
        self, values: Values, *, key: str | Sequence[str] | None = None, update: Collection[str] | None = None
    ) -> M:
        """Make a row, or change the one that has the same key; as `upsert_many`."""
        (instance,) = await self.upsert_many([values], key=key, update=update)
        return instance

    async def upsert_many(
        self,
        rows: Sequence[Values],
        *,
        key: str | Sequence[str] | None = None,
        update: Collection[str] | None = None,
    ) -> Sequence[M]:
        """Make rows, or change those that have the same keys, all or none; they come back in the order of their values.

        Several callers may do so at once, also with the same keys: each row is made once. A row that is there takes the
        values of `update`, the stamps of an update and a new version; one that takes nothing stays as it is. A row that
        is out of scope, or deleted where deletion is soft, is there for nobody: it conflicts, and stays as it is.

        Rows with the same attributes go by one statement. Where a create or an update has hooks, where references lead
        to rows with a scope, where a stamp is one of updates alone, where a key is no number, UUID or plain text, and
        on MariaDB, each row is looked up and then made or changed; hooks see the one or the other. Listeners are told
        of an `"upsert"` either way.

        Args:
            rows: Values by attribute; each row has a key of its own. What a new row does not have gets its default.
            key: The attributes that are unique together, be they given or stamped; the primary key if left out.
            update: The attributes that a row takes which is there, as far as they are given; none to leave it alone.
                If left out, all but keys, stamps and what the server writes.

        Raises:
            ValueError: The rows have no such key, two of them have the same one, or `update` names what a row keeps.
            ConflictError: One violates another constraint, or is there out of sight; `extensions["items"]` tells which.
            ForbiddenError: One would be out of scope.
        """
        named = [key] if isinstance(key, str) else key
        terms = UpsertTerms.of(self._engine.resource, named, update)
        if not rows:
            return []
        return await self._all_stored(await self._upserts.write([self._known(values) for values in rows], terms))

    async def update(self, key: Any, changes: Values, *, version: int | None = None) -> M:
        """Change some columns of a row.

        Raises:
            NotFoundError: There is none, or it is out of scope.
            PreconditionFailedError: It has another version.
            ConflictError: It would violate a constraint.
            ForbiddenError: It would be out of scope afterwards.
        """
        row = await self._writer.change("update", self._target(key, version), self._known(changes))
        return await self._stored(self._writer.identity(row, None))

    async def delete(self, key: Any, *, version: int | None = None) -> None:
        """Remove a row, or put it out of use where deletion is soft; an instance of it stays as it was read.

        Raises:
            NotFoundError: There is none, or it is out of scope.
            PreconditionFailedError: It has another version.
            ConflictError: Others refer to it.
        """
        await self._writer.delete(self._target(key, version))

    async def restore(self, key: Any, *, version: int | None = None) -> M:
        """Take a deleted row back into use.

        Raises:
            NotFoundError: There is none, or it is out of scope.
            PreconditionFailedError: It has another version.
            ConflictError: It would violate a constraint.
        """
        row = await self._writer.restore(self._target(key, version))
        return await self._stored(self._writer.identity(row, None))

    def _target(self, key: Any, version: int | None) -> Target:
        parameters = self._engine.resource.identity.parameters(key)
        return Target(parameters, None if version is None else (version,))

    def _known(self, values: Values) -> dict[str, Any]:
        columns = self._engine.resource.columns
        if unknown := sorted(values.keys() - columns.keys()):
            raise ValueError(
                f"{', '.join(unknown)}: no columns of {self._model.__name__}, which has {', '.join(columns)}"
            )
        return dict(values)

    async def _stored(self, identity: tuple[Any, ...]) -> M:
        select = self._access.statements.row(WHOLE).select
        (instance,) = await self._instances(select, self._engine.resource.identity.of_values(identity))
        return instance

    async def _all_stored(self, identities: Sequence[tuple[Any, ...]]) -> Sequence[M]:
        """The rows of these identities, in their order."""
        identity, conditions = self._engine.resource.identity, self._access.statements.conditions.own
        names = [it.name for it in identity.attributes]
        found: dict[tuple[Any, ...], M] = {}
        for some in chunks(identities, len(names)):
            select = sa.select(self._engine.resource.table).where(identity.one_of(some), *conditions)
            for instance in await self._instances(select, {}):
                found[tuple(getattr(instance, name) for name in names)] = instance
        return [found[key] for key in identities]

    async def _page(self, asked: ListRequest, limit: int) -> Sequence[M]:
        select = self._access.statements_of(asked.deleted).page(asked.shape).select
        return await self._instances(select, {**asked.values, "limit": limit, "offset": 0})

    async def _instances(self, select: sa.Select[Any], parameters: Mapping[str, Any]) -> Sequence[M]:
        """The instances of the rows that a statement selects, as they are stored now."""
        entities = sa.select(self._model).from_statement(self._whole(select))
        result = await self._session.scalars(
            entities, {**parameters, **self._access.values}, execution_options={"populate_existing": True}
        )
        return result.all()

    def _whole(self, select: sa.Select[Any]) -> sa.Select[Any]:
        columns = (it.columns[0] for it in self._engine.resource.mapped.mapper.column_attrs)
        return select.with_only_columns(*columns, maintain_column_froms=True)

    def _cursor(self, instance: M, asked: ListRequest) -> str | None:
        order = asked.shape.order
        try:
            return self._engine.queries.cursors.encode(
                self._position(instance, order), order, asked.binding, backward=False
            )
        except NoCursorError as error:
            raise ValueError("The values of the sort keys do not fit into a cursor: use `stream`.") from error

    def _position(self, instance: M, order: Sequence[Order]) -> tuple[Any, ...]:
        return tuple(getattr(instance, term.attribute.name) for term in order)
