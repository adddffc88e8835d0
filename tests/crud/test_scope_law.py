"""The law of scopes: whoever asks, it is as if there were nothing else in the database.

Each request goes to two apps. One has scopes, and all rows; its twin has none, and only the rows that are in scope by
plain Python. Their answers are the same to the byte, and what the request changes is the same, while the rows out of
scope stay as they are. There is one difference: what would leave the scope is a 403, and nothing is stored then.
"""

# pyright: basic

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

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
from tests.crud.library import app_with, create_tables
from tests.crud.tenants import SCHEMES, Author, Book, Chapter, Principal, Scheme, Tag, Tenants, World, load, snapshot

pytestmark = pytest.mark.anyio

_WRITES: set[OperationName] = {"list", "get", "create", "replace", "update", "delete"}
_BULK: set[OperationName] = {"create_many", "update_many", "delete_many"}


async def user(request: Request) -> None:
    """Say who asks, as the headers tell it."""
    tenants = tuple(map(int, request.headers["tenants"].split(",")))
    set_principal(request, Principal(tenants[0], tenants, request.headers["admin"] == "yes"))


def routers(scheme: Scheme, scope: Mapping[type[DeclarativeBase], Scope] | None) -> APIRouter:
    """All routes there are, below the name of the scheme."""
    guard = {"*": [Depends(user)]}
    books: CRUDRouter[Book] = CRUDRouter(
        Book,
        prefix="/books",
        dependencies=guard,  # type: ignore[arg-type]
        scope=scope,
        stamp={"tenant": lambda who: who.tenant} if scheme.stamped else None,
        routes=_WRITES | _BULK | {"restore", "export"},  # pyright: ignore[reportArgumentType]
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
        dependencies=guard,  # type: ignore[arg-type]
        scope=scope,
        routes=_WRITES | _BULK,
        include={"book": One()},
        query=Query(filter={"title": {"eq"}, "book.title": {"eq", "ne"}, "book.author.name": {"eq"}}, sparse=True),
    )
    nested: CRUDRouter[Book] = CRUDRouter(
        Book,
        prefix="/authors/{author_id}/books",
        dependencies=guard,  # type: ignore[arg-type]
        scope=scope,
        stamp={"tenant": lambda who: who.tenant} if scheme.stamped else None,
        parent="author_id",
        routes=_WRITES - {"delete"},
        query=Query(filter={"title": {"eq"}, "chapters.title": {"eq"}}),
    )
    made = APIRouter(prefix=f"/{scheme.name}")
    for router in (books, chapters, nested):
        made.include_router(router)
    return made


@cache
def scoped() -> tuple[APIRouter, ...]:
    """The routers with scopes."""
    return tuple(routers(scheme, scheme.scope) for scheme in SCHEMES)


@cache
def open_to_all() -> tuple[APIRouter, ...]:
    """Their twins."""
    return tuple(routers(scheme, None) for scheme in SCHEMES)


@dataclass(frozen=True)
class Call:
    """A request, but for who makes it."""

    method: str
    path: str
    params: Collection[tuple[str, str]] = ()
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def model(self) -> type[Tenants]:
        """Whose rows it is about."""
        return Chapter if self.path.startswith("/chapters") else Book

    @property
    def parent(self) -> int | None:
        """The author in its path."""
        return int(self.path.split("/")[2]) if self.path.startswith("/authors") else None


# What is asked. Keys from 1 to 4 may be there, 9 never is; those of new rows are above.

KEYS, NEW = st.sampled_from([1, 2, 3, 4, 9]), st.integers(10, 99)
TITLES, TENANTS, PAGES = st.sampled_from(["a", "b", "ab"]), st.integers(1, 3), st.sampled_from([None, 1, 5, 9])
BOOK_FILTERS = [
    "title=a",
    "title__ne=a",
    "title__contains=b",
    "pages__gte=5",
    "pages__isnull=true",
    "pages__not_in=5",
    "tenant=1",
    "tenant__ne=1",
    "author.name=a",
    "author.name__ne=a",
    "author.tenant=1",
    "author.tenant__in=1,2",
    "sequel_of.title=a",
    "sequel_of.author.name=b",
    "chapters.title=a",
    "chapters.tenant=2",
    "tags.word=a",
    "search=a",
    "search=b%20a",
    "deleted=include",
    "deleted=only",
]
VIEWS = ["include=author", "include=author,chapters,sequel_of,tags", "fields=title", "fields=id,pages"]
PAGING = [
    "sort=-title",
    "sort=pages,title",
    "sort=-pages",
    "limit=1",
    "limit=2",
    "limit=3",
    "page=2",
    "count=none",
    "count=capped",
]
CHAPTER_FILTERS = ["title=a", "book.title=a", "book.title__ne=b", "book.author.name=a", "include=book", "fields=title"]


def some_of(choices: Collection[str], most: int) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Some parameters, each once."""
    split = [(name, value.replace("%20", " ")) for name, _, value in (it.partition("=") for it in choices)]
    return st.lists(st.sampled_from(split), max_size=most, unique_by=lambda it: it[0])


def bodies(model: type[Tenants], *, stamped: bool, nested: bool, whole: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Values that a client writes."""
    reference = st.none() | KEYS
    fields: dict[str, st.SearchStrategy[Any]] = {"title": TITLES, "tenant": TENANTS}
    if model is Book:
        fields |= {"pages": PAGES, "public": st.booleans(), "author_id": reference, "sequel_of_id": reference}
        fields["tenant"] = st.none() | TENANTS
    else:
        fields["book_id"] = KEYS
    taken = ["tenant"] * stamped + ["author_id", "sequel_of_id"] * nested
    fields = {name: values for name, values in fields.items() if name not in taken}
    return st.fixed_dictionaries(fields) if whole else st.fixed_dictionaries({}, optional=fields)


@st.composite
def calls(draw: st.DrawFn, scheme: Scheme) -> Call:  # noqa: C901, PLR0911, PLR0912 - one branch for each route
    """A request of any kind."""
    prefix = draw(st.sampled_from(["/books", "/books", "/chapters", f"/authors/{draw(KEYS)}/books"]))
    model, nested = (Chapter, False) if prefix == "/chapters" else (Book, prefix != "/books")
    stamped = scheme.stamped and model is Book
    body = {whole: bodies(model, stamped=stamped, nested=nested, whole=whole) for whole in (True, False)}
    item = f"{prefix}/{draw(KEYS)}"
    guards = st.sampled_from([{}, {"If-Match": '"1"'}, {"If-Match": '"2"'}]) if prefix == "/books" else st.just({})
    kinds = ["list", "list", "get", "create", "replace", "update", "update"]
    if not nested:
        kinds += ["delete", "create_many", "update_many", "delete_many"]
        kinds += ["restore", "link", "export"] if model is Book else []
    match draw(st.sampled_from(kinds)):
        case "list":
            filters = (
                CHAPTER_FILTERS if model is Chapter else ["title=a", "chapters.title=a"] if nested else BOOK_FILTERS
            )
            views = some_of(VIEWS, 1) if prefix == "/books" else st.just([])
            asked = draw(some_of(filters, 2)) + draw(views) + draw(some_of(PAGING, 3))
            return Call("GET", prefix, tuple(dict(asked).items()))
        case "export":
            form = draw(st.sampled_from(["csv", "ndjson"]))
            paging = [it for it in PAGING if it.startswith("sort")]
            return Call("GET", f"{prefix}.{form}", draw(some_of([*BOOK_FILTERS, *paging, "fields=title"], 2)))
        case "link":
            return Call(draw(st.sampled_from(["PUT", "DELETE"])), f"{item}/tags/{draw(st.sampled_from([1, 2, 9]))}")
        case "get":
            method = draw(st.sampled_from(["GET", "GET", "HEAD"]))
            views = some_of([*VIEWS, "deleted=include"], 2) if prefix == "/books" else st.just([])
            return Call(method, item, draw(views), headers=draw(st.sampled_from([{}, {"If-None-Match": '"1"'}])))
        case "create":
            return Call("POST", prefix, json={"id": draw(NEW), **draw(body[True])})
        case "replace":
            return Call("PUT", item, json=draw(body[True]), headers=draw(guards))
        case "update":
            return Call("PATCH", item, json=draw(body[False]), headers=draw(guards))
        case "delete":
            return Call("DELETE", item, headers=draw(guards))
        case "restore":
            return Call("POST", f"{item}/restore", headers=draw(guards))
        case "create_many":
            keys = draw(st.lists(NEW, min_size=1, max_size=3, unique=True))
            return Call("POST", f"{prefix}/bulk", json=[{"id": key, **draw(body[True])} for key in keys])
        case "update_many":
            keys = draw(st.lists(KEYS, min_size=1, max_size=2, unique=True))
            return Call("PATCH", prefix, json=[{"id": key, **draw(body[False])} for key in keys])
        case _:
            keys = draw(st.lists(KEYS, min_size=1, max_size=2, unique=True))
            return Call("DELETE", prefix, [("id", str(key)) for key in keys])


def sessions(scheme: Scheme) -> st.SearchStrategy[tuple[Scheme, list[Call]]]:
    """Some requests in a row."""
    return st.tuples(st.just(scheme), st.lists(calls(scheme), min_size=1, max_size=4))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few rows of each kind, all of whose references lead somewhere."""
    authors = {key: {"id": key, "name": draw(TITLES), "tenant": draw(TENANTS)} for key in (1, 2, 3)}
    books = {
        key: {
            "id": key,
            "title": draw(TITLES),
            "pages": draw(PAGES),
            "tenant": draw(st.none() | TENANTS),
            "public": draw(st.booleans()),
            "author_id": draw(st.none() | st.sampled_from(sorted(authors))),
            "sequel_of_id": draw(st.none() | st.integers(1, key)),
            "version": draw(st.integers(1, 2)),
            "deleted_at": draw(st.sampled_from([False, False, True])),
        }
        for key in range(1, draw(st.integers(1, 4)) + 1)
    }
    owned = st.sampled_from(sorted(books))
    chapters = {
        key: {"id": key, "title": draw(TITLES), "tenant": draw(TENANTS), "book_id": draw(owned)} for key in (1, 2, 3, 4)
    }
    tags = {key: {"id": key, "word": draw(TITLES), "tenant": draw(TENANTS)} for key in (1, 2)}
    pairs = draw(st.frozensets(st.tuples(owned, st.sampled_from([1, 2]))))
    return World({Author: authors, Book: books, Chapter: chapters, Tag: tags}, pairs)


class Twins:
    """Both apps, with the databases behind them."""

    def __init__(
        self, database: Database, api: httpx2.AsyncClient, twin: Database, twin_api: httpx2.AsyncClient
    ) -> None:
        self.database, self._api = database, api
        self._twin, self._twin_api = twin, twin_api

    async def ask(self, scheme: Scheme, who: Principal, call: Call) -> str | None:
        """Make the request of both, compare all that comes of it, and give the cursor of the next page."""
        world = await snapshot(self.database.run)
        visible = scheme.visible(who, world)
        if call.parent is not None and call.parent not in visible.rows[Author]:
            # Below an author who is not there is nothing, although there may be books that refer to him.
            visible = visible.replaced(Book, _without_author(visible, call.parent))
        await load(self._twin.run, visible)
        expected = await _send(self._twin_api, scheme, who, call)
        answer = await _send(self._api, scheme, who, call)
        changed = await snapshot(self._twin.run)
        outcome = _combined(world, visible, changed)
        if answer.status_code == 403 and expected.status_code != 403:
            # In bulk, what leaves the scope may come before what another row is refused for.
            assert "deleted" not in dict(call.params)
            assert not expected.is_success or not _stays(scheme, who, outcome, call, visible, changed)
            outcome = world
        else:
            assert _stays(scheme, who, outcome, call, visible, changed)
            assert _comparable(answer, call) == _comparable(expected, call)
        assert await snapshot(self.database.run) == outcome
        listed = answer.is_success and call.method == "GET" and answer.headers["content-type"] == "application/json"
        return answer.json().get("next_cursor") if listed else None


def _without_author(world: World, author: int) -> Mapping[int, Mapping[str, Any]]:
    return {key: row for key, row in world.rows[Book].items() if row["author_id"] != author}


async def _send(api: httpx2.AsyncClient, scheme: Scheme, who: Principal, call: Call) -> httpx2.Response:
    headers = {"tenants": ",".join(map(str, who.tenants)), "admin": "yes" if who.admin else "no", **call.headers}
    path = f"/{scheme.name}{call.path}"
    return await api.request(call.method, path, params=list(call.params), json=call.json, headers=headers)


def _combined(world: World, visible: World, changed: World) -> World:
    """The rows out of scope as they were, those in scope as the twin has left them."""
    rows = {
        model: {key: row for key, row in found.items() if key not in visible.rows[model]} | dict(changed.rows[model])
        for model, found in world.rows.items()
    }
    return World(rows, (world.pairs - visible.pairs) | changed.pairs)


def _stays(scheme: Scheme, who: Principal, outcome: World, call: Call, before: World, after: World) -> bool:  # noqa: PLR0913, PLR0917 - two worlds and what made one of the other
    """Whether what was written is in scope."""
    rows, old = after.rows[call.model], before.rows[call.model]
    return all(scheme.sees(who, outcome, call.model, row) for key, row in rows.items() if row != old.get(key))


def _comparable(answer: httpx2.Response, call: Call) -> tuple[int, bytes | Mapping[str, Any], Mapping[str, str]]:
    """All of an answer; of a reference that leads nowhere not which, as the twin leaves that to its database."""
    if answer.status_code == 409 and answer.json().get("violation") == "foreign_key":
        return 409, {"violation": "foreign_key"}, {"content-type": answer.headers["content-type"]}
    return answer.status_code, answer.content, dict(answer.headers)


@pytest.fixture
async def twins(database: Database) -> AsyncGenerator[Twins]:
    """Both apps, of all schemes."""
    twin = Database("sqlite://")
    async with AsyncExitStack() as stack:
        await create_tables(database, Tenants)
        await create_tables(twin, Tenants)
        api = await stack.enter_async_context(client(app_with(database, *scoped())))
        twin_api = await stack.enter_async_context(client(app_with(twin, *open_to_all())))
        yield Twins(database, api, twin, twin_api)


PRINCIPALS = st.builds(
    lambda tenants, admin: Principal(tenants[0], tuple(tenants), admin),
    st.lists(st.integers(1, 3), min_size=1, max_size=2, unique=True),
    st.booleans(),
)
_MOST_PAGES = 8


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(world=worlds(), who=PRINCIPALS, asked=st.sampled_from(SCHEMES).flatmap(sessions))
async def test_a_scope_is_as_if_there_were_nothing_else(
    twins: Twins, world: World, who: Principal, asked: tuple[Scheme, list[Call]]
) -> None:
    """Whatever is asked, in whatever form the scope is, answers and changes are those of a database without others."""
    await load(twins.database.run, world)
    scheme, made = asked
    for call in made:
        cursor = await twins.ask(scheme, who, call)
        for _ in range(_MOST_PAGES):
            if cursor is None:
                break
            paged = {**dict(call.params), "cursor": cursor}
            paged.pop("page", None)
            cursor = await twins.ask(scheme, who, replace(call, params=tuple(paged.items())))
