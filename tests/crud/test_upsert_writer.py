"""Upserts by a repository: rows that are made or changed, and those that stay as they are."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import Changed, CRUDRouter, Repository, ResourceError, Stamp, WriteContext, of_principal
from fastapi_kit.db import Base, Database, SoftDelete, Timestamps, UUIDKey, Versioned
from fastapi_kit.errors import ConflictError, ForbiddenError, NotFoundError
from tests.crud.counting import Statements
from tests.crud.library import create_tables, store
from tests.crud.shop import Author, Book, Edition, Shop

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Page(SoftDelete, Timestamps, Versioned, UUIDKey, Models):
    """A row of a tenant, unique among the tenant's by its code, and among all by its number."""

    __tablename__ = "page"
    tenant: Mapped[int]
    code: Mapped[str] = mapped_column(sa.String(20))
    number: Mapped[int | None] = mapped_column(unique=True)
    text: Mapped[str] = mapped_column(sa.String(20), default="empty")
    note: Mapped[str | None] = mapped_column(sa.String(20), default="none")
    maker: Mapped[str | None] = mapped_column(sa.String(9))
    editor: Mapped[str | None] = mapped_column(sa.String(9))
    __table_args__ = (sa.UniqueConstraint("tenant", "code"),)


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    tenant: int


def tenant_of(user: User) -> int:
    """Whose rows a user sees."""
    return user.tenant


def name_of(user: User) -> str:
    """Who has written a row."""
    return user.name


STAMPS: Mapping[str, Any] = {
    "tenant": tenant_of,
    "maker": name_of,
    "editor": Stamp(name_of, on={"create", "update"}),
}
KEY = ("code", "tenant")


def pages(**options: Any) -> CRUDRouter[Page]:
    """Pages of the user's tenant."""
    scope = Page.tenant == of_principal(tenant_of)
    described: dict[str, Any] = {"scope": scope, "stamp": STAMPS, "version": "version", "soft_delete": "deleted_at"}
    return CRUDRouter(Page, prefix="/pages", **{**described, **options})


def hooked(**options: Any) -> CRUDRouter[Page]:
    """The same with a hook, by which rows are written one by one."""
    router = pages(**options)

    @router.before("create")
    async def see(_: WriteContext) -> None:
        """Do nothing."""

    return router


ANN, BOB, EVE = (User(name, tenant) for name, tenant in (("ann", 1), ("bob", 1), ("eve", 2)))
Way = Callable[..., CRUDRouter[Page]]
WAYS: Mapping[str, Way] = {"together": pages, "singly": hooked}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture
async def session(database: Database) -> AsyncGenerator[AsyncSession]:
    """A session on empty tables."""
    await create_tables(database, Models)
    await create_tables(database, Shop)
    async with database.session() as session:
        yield session


@each_way
async def test_rows_are_made_or_changed(session: AsyncSession, way: Way) -> None:
    """New rows have defaults and all stamps; those that are there take what is given, a version and a time stamp."""
    router = way()
    anns, bobs = router.repository(session, ANN), router.repository(session, BOB)
    (old,) = await anns.upsert_many([{"code": "b", "text": "old", "note": "kept"}], key=KEY)
    before = (old.id, old.created_at, old.updated_at)
    rows = [{"code": code, "text": f"new {code}"} for code in "cba"]
    c, b, a = await bobs.upsert_many(rows, key=KEY)
    assert b is old
    assert [(it.code, it.text, it.note) for it in (c, b, a)] == [
        ("c", "new c", "none"),
        ("b", "new b", "kept"),
        ("a", "new a", "none"),
    ]
    assert [(it.maker, it.editor, it.version, it.tenant) for it in (b, a)] == [
        ("ann", "bob", 2, 1),
        ("bob", "bob", 1, 1),
    ]
    assert (b.id, b.created_at, b.updated_at > before[2]) == (before[0], before[1], True)
    assert await bobs.count() == 3


@each_way
async def test_what_changes_is_for_the_caller_to_say(session: AsyncSession, way: Way) -> None:
    """`update=` names what an existing row takes; with nothing to take it stays as it is, its version too."""
    mine = way().repository(session, ANN)
    await mine.upsert({"code": "a", "text": "1", "note": "1"}, key=KEY)
    row = await mine.upsert({"code": "a", "text": "2", "note": "2"}, key=KEY, update={"note"})
    assert (row.text, row.note, row.version) == ("1", "2", 2)
    for update in ((), {"number"}, None):
        given = {"code": "a"} if update is None else {"code": "a", "text": "3", "note": "3"}
        same, other = await mine.upsert_many([given, {"code": f"{update}", "text": "n"}], key=KEY, update=update)
        assert (same.text, same.note, same.version, other.text) == ("1", "2", 2, "n")


@each_way
async def test_rows_of_others_stay_as_they_are(session: AsyncSession, database: Database, way: Way) -> None:
    """A row out of scope or out of use is a conflict as it would be for a create, also if nothing would change."""
    router = way()
    hers, mine = router.repository(session, EVE), router.repository(session, ANN)
    foreign = (await hers.upsert({"code": "x", "number": 1, "text": "hers"}, key="number")).id
    deleted = await mine.upsert({"code": "y", "number": 2, "text": "mine"}, key="number")
    await mine.delete(deleted.id, version=1)
    await session.commit()
    for number in (1, 2):
        for update in (None, ()):
            rows: list[dict[str, Any]] = [
                {"code": "z", "number": 3},
                {"code": "w", "number": number, "text": "changed"},
            ]
            with pytest.raises(ConflictError) as caught:
                await mine.upsert_many(rows, key="number", update=update)
            assert caught.value.extensions == {"violation": "unique", "fields": ["number"], "items": [1]}
            with pytest.raises(ConflictError) as created:
                await mine.create(rows[1])
            told = {**created.value.extensions, "items": [1]}
            assert (caught.value.extensions, caught.value.detail) == (told, created.value.detail)
            await session.rollback()
    stored = await database.run(lambda c: c.execute(sa.select(Page.text, Page.version).order_by(Page.number)).all())
    assert stored == [("hers", 1), ("mine", 2)]
    assert (await mine.get(foreign)) is None
    await session.rollback()
    async with database.session() as other:  # and the same code is there once for each tenant
        assert (await router.repository(other, ANN).upsert({"code": "x"}, key=KEY)).version == 1


@each_way
async def test_no_row_leaves_the_scope(session: AsyncSession, way: Way) -> None:
    """A row that would be out of scope, as a new one or by what it takes, is refused."""
    stamps = {name: stamp for name, stamp in STAMPS.items() if name != "tenant"}
    mine = way(stamp=stamps).repository(session, ANN)
    await mine.upsert({"tenant": 1, "code": "a", "number": 1}, key="number")
    await session.commit()
    for number in (1, 2):
        with pytest.raises(ForbiddenError):
            await mine.upsert({"tenant": 2, "code": "a", "number": number}, key="number")
        await session.rollback()
    assert await mine.count() == 1


@each_way
async def test_other_constraints_hold(session: AsyncSession, way: Way) -> None:
    """A conflict with another key than the one that is meant is told as such."""
    mine = way().repository(session, ANN)
    await mine.upsert_many([{"code": "a", "number": 1}, {"code": "b", "number": 2}], key=KEY)
    await session.commit()
    for row in ({"code": "c", "number": 1}, {"code": "b", "number": 1}):
        with pytest.raises(ConflictError) as caught:
            await mine.upsert(row, key=KEY)
        assert caught.value.extensions["fields"] == ["number"]
        await session.rollback()


async def test_one_statement_for_all(database: Database, session: AsyncSession) -> None:
    """Rows with the same attributes are written by one statement and read by another, as are those of `create_many`."""
    mine = pages().repository(session, ANN)
    statements = Statements(database)
    await mine.upsert_many([{"code": f"c{number}", "text": "t"} for number in range(50)], key=KEY)
    rows = [{"code": f"c{number}", "text": f"t{number}"} for number in reversed(range(100))]
    statements.take()
    await mine.upsert_many(rows, key=KEY)
    assert [it.split()[0] for it in statements.take()] == ["INSERT", "SELECT"]
    written = await mine.create_many([{"code": "x"}, {"code": "y"}])
    assert [it.split()[0] for it in statements.take()] == ["INSERT", "SELECT"]
    assert [it.code for it in written] == ["x", "y"]
    assert await mine.count() == 102


@each_way
async def test_at_once(database: Database, session: AsyncSession, way: Way) -> None:
    """Many upserts of one key at the same time leave one row, which counts them all, and none of them fails."""
    router = way()

    async def write(number: int) -> None:
        async with database.session() as own:
            await router.repository(own, ANN).upsert({"code": "a", "text": str(number)}, key=KEY)
            await own.commit()

    await asyncio.gather(*(write(number) for number in range(12)))
    (row,) = (await router.repository(session, ANN).list()).items
    assert row.version == 12


@pytest.mark.postgres
async def test_opposite_orders_do_not_block_each_other(postgres: Database) -> None:
    """Upserts of the same rows in opposite orders are all done, as each writes in the order of the keys."""
    await create_tables(postgres, Models)
    router = pages()
    rows = [{"code": f"c{number}", "text": "t"} for number in range(200)]

    async def write(step: int) -> None:
        async with postgres.session() as own:
            await router.repository(own, ANN).upsert_many(rows[::step], key=KEY)
            await own.commit()

    await asyncio.gather(*(write(1 - number % 2 * 2) for number in range(8)))
    async with postgres.session() as own:
        assert {row.version for row in (await router.repository(own, ANN).list(limit=200)).items} == {8}


async def test_hooks_see_what_happens(session: AsyncSession) -> None:
    """Hooks see a create or an update, and may change the values; a problem of theirs goes through."""
    router, seen = pages(), list[Any]()

    async def before(context: WriteContext) -> None:
        seen.append((context.operation, context.values["text"]))
        context.values["text"] = context.values["text"].strip()
        if context.values["text"] == "bad":
            raise NotFoundError("Not this one.")

    router.before("create")(before)
    router.before("update")(before)
    mine = router.repository(session, ANN)
    for text in (" 1", " 2"):
        assert (await mine.upsert({"code": "a", "text": text}, key=KEY)).text == text.strip()
    for code in "ab":
        with pytest.raises(NotFoundError, match="Not this one"):
            await mine.upsert({"code": code, "text": " bad"}, key=KEY)
    assert seen == [("create", " 1"), ("update", " 2"), ("update", " bad"), ("create", " bad")]


@each_way
async def test_listeners_are_told_of_an_upsert(session: AsyncSession, way: Way) -> None:
    """After the commit, of the rows that were made or changed, and of none that stayed as it is."""
    router, told = way(), list[Changed]()

    @router.after_commit
    async def tell(changed: Changed) -> None:
        told.append(changed)

    mine = router.repository(session, ANN)
    a = await mine.upsert({"code": "a", "text": "1"}, key=KEY)
    await session.commit()
    _, b = await mine.upsert_many([{"code": "a"}, {"code": "b", "text": "1"}], key=KEY)
    await mine.upsert({"code": "a"}, key=KEY)
    assert told == [Changed("page", "upsert", [a.id])]
    await session.commit()
    assert told[1:] == [Changed("page", "upsert", [b.id])]


async def test_references_are_in_scope(database: Database, session: AsyncSession) -> None:
    """A row refers to no row that is out of scope, be it made or changed."""
    await store(database, Author, {"id": 1, "name": "A", "tenant": 1}, {"id": 2, "name": "B", "tenant": 2})
    tenant = of_principal(tenant_of)
    books = CRUDRouter(Book, prefix="/books", scope={Book: Book.tenant == tenant, Author: Author.tenant == tenant})
    mine = books.repository(session, ANN)
    row = {"slug": "a", "title": "T", "tenant": 1, "author_id": 1}
    book = await mine.upsert(row, key="slug")
    assert (await mine.upsert({**row, "title": "U"}, key="slug")) is book
    assert book.title == "U"
    await session.commit()
    for slug in "ab":
        with pytest.raises(ConflictError) as caught:
            await mine.upsert({**row, "slug": slug, "author_id": 2}, key="slug")
        assert caught.value.extensions["fields"] == ["author_id"]
        await session.rollback()


async def test_a_version_without_onupdate_counts_on(session: AsyncSession) -> None:
    """The version is counted by the statement where the column does not count itself."""
    books = CRUDRouter(Book, prefix="/books", version="version", lookup="slug").repository(session)
    for version in (1, 2, 3):
        book = await books.upsert({"slug": "a", "title": str(version)}, key="slug")
        assert (book.version, book.title) == (version, str(version))


async def test_primary_keys(session: AsyncSession) -> None:
    """Rows are found by the primary key, of one column or of several, unless another key is named."""
    books = CRUDRouter(Book, prefix="/books").repository(session)
    for title in ("A", "B"):
        book = await books.upsert({"id": 7, "slug": "a", "title": title})
        assert (book.id, book.title) == (7, title)
    book = await books.upsert({"id": 8, "slug": "a", "title": "C"}, key="slug")
    assert (book.id, book.title) == (7, "C")
    editions = CRUDRouter(Edition, prefix="/editions").repository(session)
    for price in (1, 2):
        rows = [{"book_id": 7, "year": year, "price": price, "copies": year} for year in (2001, 2000)]
        assert [(it.year, it.price, it.value) for it in await editions.upsert_many(rows)] == [
            (2001, price, price * 2001),
            (2000, price, price * 2000),
        ]


class Moment(Models):
    """A row that is named by an instant, which databases write in ways of their own."""

    __tablename__ = "moment"
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(9))


async def test_keys_that_do_not_come_back_as_they_were_sent(session: AsyncSession) -> None:
    """Rows that cannot be told by their keys are written one by one."""
    mine = CRUDRouter(Moment, prefix="/moments").repository(session)
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    made = await mine.upsert({"at": at, "text": "1"})
    changed, _ = await mine.upsert_many([{"at": at, "text": "2"}, {"at": at + timedelta(days=1), "text": "3"}])
    assert (changed is made, changed.text, await mine.count()) == (True, "2", 2)


async def test_a_stamp_of_updates_alone(session: AsyncSession) -> None:
    """It is on rows that were changed, and on no new ones."""
    mine = pages(stamp={**STAMPS, "editor": Stamp(name_of, on={"update"})}).repository(session, ANN)
    assert (await mine.upsert({"code": "a", "text": "1"}, key=KEY)).editor is None
    assert (await mine.upsert({"code": "a", "text": "2"}, key=KEY)).editor == "ann"


async def test_mistakes_of_the_caller(session: AsyncSession) -> None:
    """What cannot be meant is refused before anything is written."""
    mine: Repository[Page] = pages().repository(session, ANN)
    row = {"code": "a", "text": "1"}
    with pytest.raises(ResourceError, match="Page is not unique by text: declare a UniqueConstraint, or give as key"):
        await mine.upsert(row, key="text")
    with pytest.raises(ValueError, match="an upsert finds a row by number: give each row a value"):
        await mine.upsert_many([row, {**row, "number": None}], key="number")
    with pytest.raises(ValueError, match="two rows have the same"):
        await mine.upsert_many([row, row], key=KEY)
    for name in ("code", "id", "version", "deleted_at", "maker", "colour"):
        with pytest.raises(ValueError, match=f"update={name}: not for an upsert of Page to change"):
            await mine.upsert(row, key=KEY, update={name})
    with pytest.raises(ValueError, match="colour: no columns of Page"):
        await mine.upsert({**row, "colour": "red"}, key=KEY)
    assert await mine.upsert_many([], key=KEY) == []
    assert await mine.count() == 0
