"""The law of scopes: whoever asks, it is as if there were nothing else in the database.

Each request goes to two apps. One has scopes, and all rows; its twin has none, and only the rows that are in scope by
plain Python. Their answers are the same to the byte, and what the request changes is the same, while the rows out of
scope stay as they are. There is one difference: what would leave the scope is a 403, and nothing is stored then.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from operator import attrgetter
from typing import Any, get_args

import httpx2
import pytest
from fastapi import APIRouter, Depends, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud import (
    CRUDRouter,
    Links,
    Many,
    One,
    OperationName,
    Query,
    Scope,
    SoftDeletion,
    Version,
    set_principal,
)
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.calls import PRINCIPALS, Call, sessions, worlds
from tests.crud.library import app_with, create_tables
from tests.crud.tenants import SCHEMES, Author, Book, Chapter, Principal, Scheme, Tenants, World, load, snapshot

pytestmark = pytest.mark.anyio

EVERY: frozenset[OperationName] = frozenset(get_args(OperationName))
_OF_ONE_ROW = {404, 409, 412}
"""What a bulk write is refused for on account of one of its rows."""


async def user(request: Request) -> None:
    """Say who asks, as the headers tell it."""
    tenants = tuple(map(int, request.headers["tenants"].split(",")))
    set_principal(request, Principal(tenants, request.headers["admin"] == "yes"))


def routers(scope: Mapping[type[DeclarativeBase], Scope] | None, *, stamped: bool) -> tuple[APIRouter, ...]:
    """All routes there are."""
    guard: Mapping[Any, Any] = {"*": [Depends(user)]}
    stamp: Any = {"tenant": attrgetter("tenant")} if stamped else None
    books: CRUDRouter[Book] = CRUDRouter(
        Book,
        prefix="/books",
        dependencies=guard,
        scope=scope,
        stamp=stamp,
        routes=EVERY,
        version=Version(required=False),
        soft_delete=SoftDeletion(visible_to=lambda who: who.admin),
        include={"author": One(), "sequel_of": One(), "chapters": Many(limit=2, sort="-title"), "tags": Links()},
        query=Query(
            filter={
                "title": {"eq", "ne", "contains"},
                "pages": {"gte", "isnull", "not_in"},
                "tenant": {"eq", "ne"},
                "author.name": {"eq", "ne"},
                "author.tenant": {"eq", "in"},
                "sequel_of.title": {"eq"},
                "sequel_of.author.name": {"eq"},
                "chapters.title": {"eq"},
                "chapters.tenant": {"eq"},
                "tags.word": {"eq"},
            },
            search={"title", "author.name", "chapters.title"},
            sparse=True,
            count="exact",
        ),
    )
    chapters: CRUDRouter[Chapter] = CRUDRouter(
        Chapter,
        prefix="/chapters",
        dependencies=guard,
        scope=scope,
        routes=EVERY - {"restore"},
        include={"book": One()},
        query=Query(filter={"title": {"eq"}, "book.title": {"eq", "ne"}, "book.author.name": {"eq"}}, sparse=True),
    )
    nested: CRUDRouter[Book] = CRUDRouter(
        Book,
        prefix="/authors/{author_id}/books",
        dependencies=guard,
        scope=scope,
        stamp=stamp,
        parent="author_id",
        routes={"list", "get", "create", "replace", "update"},
        query=Query(filter={"title": {"eq"}, "chapters.title": {"eq"}}),
    )
    return books, chapters, nested


def below(name: str, made: tuple[APIRouter, ...]) -> APIRouter:
    """Routers under the name of a scheme."""
    around = APIRouter(prefix=f"/{name}")
    for router in made:
        around.include_router(router)
    return around


@cache
def scoped() -> tuple[APIRouter, ...]:
    """The routers with scopes."""
    return tuple(below(scheme.name, routers(scheme.scope, stamped=scheme.stamped)) for scheme in SCHEMES)


@cache
def open_to_all() -> tuple[APIRouter, ...]:
    """Their twins."""
    made = {stamped: routers(None, stamped=stamped) for stamped in (False, True)}
    return tuple(below(scheme.name, made[scheme.stamped]) for scheme in SCHEMES)


class Place:
    """An app, and the database behind it."""

    def __init__(self, database: Database, api: httpx2.AsyncClient) -> None:
        self._database, self._api = database, api
        self._world = World()

    async def load(self, world: World) -> None:
        """Put a world into the database, unless it is there."""
        if world != self._world:
            await load(self._database.run, world)
            self._world = world

    async def ask(self, scheme: Scheme, who: Principal, call: Call) -> httpx2.Response:
        """The answer to a request."""
        headers = {"tenants": ",".join(map(str, who.tenants)), "admin": "yes" if who.admin else "no", **call.headers}
        path = f"/{scheme.name}{call.path}"
        return await self._api.request(call.method, path, params=list(call.params), json=call.json, headers=headers)

    async def now(self) -> World:
        """The world that is in the database."""
        self._world = await snapshot(self._database.run)
        return self._world


@dataclass(frozen=True)
class Twins:
    """Both apps."""

    scoped: Place
    twin: Place

    async def compare(self, world: World, scheme: Scheme, who: Principal, call: Call) -> tuple[World, str | None]:
        """Make the request of both, compare all that comes of it, and give the world after it and the next cursor."""
        visible = scheme.visible(who, world)
        if call.parent is not None and call.parent not in visible.rows[Author]:
            # Below an author who is not there is nothing, although there may be books that refer to him.
            visible = visible.replaced(Book, _without_author(visible, call.parent))
        await self.twin.load(visible)
        expected, answer = await self.twin.ask(scheme, who, call), await self.scoped.ask(scheme, who, call)
        if call.method in {"GET", "HEAD"}:
            assert _comparable(answer) == _comparable(expected)
            return world, _next_cursor(answer)
        changed = await self.twin.now()
        outcome = _combined(world, visible, changed)
        written = [row for key, row in changed.rows[call.model].items() if row != visible.rows[call.model].get(key)]
        leaves = not all(scheme.sees(who, outcome, call.model, row) for row in written)
        if leaves:
            assert answer.status_code == 403
            outcome = world
        elif isinstance(call.json, list) and expected.status_code in _OF_ONE_ROW:
            # The twin writes rows together, the other one by one where it has to look: another may be told first.
            assert answer.status_code in {*_OF_ONE_ROW, 403}
        else:
            assert _comparable(answer) == _comparable(expected)
        assert await self.scoped.now() == outcome
        return outcome, None


def _next_cursor(answer: httpx2.Response) -> str | None:
    listed = answer.status_code == 200 and answer.content and answer.headers["content-type"] == "application/json"
    return answer.json().get("next_cursor") if listed else None


def _without_author(world: World, author: int) -> Mapping[int, Mapping[str, Any]]:
    return {key: row for key, row in world.rows[Book].items() if row["author_id"] != author}


def _combined(world: World, visible: World, changed: World) -> World:
    """The rows out of scope as they were, those in scope as the twin has left them."""
    rows = {
        model: {key: row for key, row in found.items() if key not in visible.rows[model]} | dict(changed.rows[model])
        for model, found in world.rows.items()
    }
    return World(rows, (world.pairs - visible.pairs) | changed.pairs)


def _comparable(answer: httpx2.Response) -> tuple[int, bytes | Mapping[str, Any], Mapping[str, str]]:
    """All of an answer; of a reference that leads nowhere not which, as the twin leaves that to its database."""
    if answer.status_code == 409 and answer.json().get("violation") == "foreign_key":
        return 409, {"violation": "foreign_key"}, {"content-type": answer.headers["content-type"]}
    return answer.status_code, answer.content, dict(answer.headers)


@asynccontextmanager
async def twins_on(database: Database) -> AsyncGenerator[Twins]:
    """Both apps, of all schemes."""
    twin = Database("sqlite://")
    await create_tables(database, Tenants)
    await create_tables(twin, Tenants)
    apps = app_with(database, *scoped()), app_with(twin, *open_to_all())
    async with client(apps[0]) as api, client(apps[1]) as twin_api:
        yield Twins(Place(database, api), Place(twin, twin_api))


@pytest.fixture
async def on_sqlite() -> AsyncGenerator[Twins]:
    """Both apps on SQLite."""
    async with twins_on(Database("sqlite://")) as twins:
        yield twins


@pytest.fixture
async def on_postgres(postgres: Database) -> AsyncGenerator[Twins]:
    """The app with scopes on PostgreSQL."""
    async with twins_on(postgres) as twins:
        yield twins


_MOST_PAGES = 8
LAW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
ASKED = st.sampled_from(SCHEMES).flatmap(sessions)


@pytest.mark.slow
@LAW
@given(world=worlds(), who=PRINCIPALS, asked=ASKED)
async def test_a_scope_is_as_if_there_were_nothing_else(
    on_sqlite: Twins, world: World, who: Principal, asked: tuple[Scheme, list[Call]]
) -> None:
    """Whatever is asked, answers and changes are those of a database that has only what is in scope."""
    await compare(on_sqlite, world, who, *asked)


@pytest.mark.slow
@pytest.mark.postgres
@settings(LAW, max_examples=40)
@given(world=worlds(), who=PRINCIPALS, asked=ASKED)
async def test_the_same_on_postgresql(
    on_postgres: Twins, world: World, who: Principal, asked: tuple[Scheme, list[Call]]
) -> None:
    """What SQL means by the same scopes is the same on PostgreSQL, to the byte."""
    await compare(on_postgres, world, who, *asked)


async def compare(twins: Twins, world: World, who: Principal, scheme: Scheme, calls: list[Call]) -> None:
    """Make requests in a row, and follow the cursors of pages."""
    await twins.scoped.load(world)
    for call in calls:
        world, cursor = await twins.compare(world, scheme, who, call)
        for _ in range(_MOST_PAGES):
            if cursor is None:
                break
            paged = {**dict(call.params), "cursor": cursor}
            paged.pop("page", None)
            world, cursor = await twins.compare(world, scheme, who, replace(call, params=tuple(paged.items())))
    assert await twins.scoped.now() == world
