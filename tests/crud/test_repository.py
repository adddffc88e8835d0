"""The engine without HTTP obeys what the routes obey, and gives instances of the model."""

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import assert_type

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit.crud import TEXT, Changed, CRUDRouter, Query, Repository, of_principal
from fastapi_kit.db import Database
from fastapi_kit.errors import ConflictError, ForbiddenError, NotFoundError, PreconditionFailedError
from tests.crud.library import create_tables, store
from tests.crud.shop import Author, Book, Edition, Shelf, Shop, Tag

pytestmark = pytest.mark.anyio

books = CRUDRouter(
    Book,
    prefix="/books",
    query=Query(filter={"title": TEXT, "author.name": {"eq"}, "pages": {"gte", "in", "isnull"}}, search={"title"}),
    scope=Book.tenant == of_principal(lambda user: user.tenant),
    stamp={"tenant": lambda user: user.tenant},
    version="version",
    soft_delete="deleted_at",
)
told: list[Changed] = []


@books.after_commit
async def tell(changed: Changed) -> None:
    """Remember what was told."""
    told.append(changed)


@pytest.fixture
async def session(database: Database) -> AsyncGenerator[AsyncSession]:
    """A session on a shop of two authors."""
    await create_tables(database, Shop)
    await store(database, Author, {"id": 1, "name": "Tolkien"}, {"id": 2, "name": "Le Guin", "tenant": 2})
    told.clear()
    async with database.session() as session:
        yield session


@pytest.fixture
def mine(session: AsyncSession) -> Repository[Book]:
    """The books of the first tenant."""
    return books.repository(session, SimpleNamespace(tenant=1))


def values(number: int) -> dict[str, object]:
    """The values of a book."""
    return {"slug": f"book-{number}", "title": f"Title {number}", "pages": number or None}


async def test_rows_are_instances_of_the_model(session: AsyncSession, mine: Repository[Book]) -> None:
    """What comes back is the model's, in the session, as it is stored; stamps and versions are written."""
    book = await mine.create({**values(3), "author_id": 1})
    assert_type(book, Book)
    assert book in session
    assert (book.title, book.tenant, book.version) == ("Title 3", 1, 1)
    changed = await mine.update(book.id, {"pages": 4}, version=1)
    assert changed is book
    assert (book.pages, book.version) == (4, 2)
    assert await mine.get(book.id) is book
    assert await mine.get(book.id + 1) is None


async def test_other_tenants_have_no_such_row(session: AsyncSession, mine: Repository[Book]) -> None:
    """A scope holds without HTTP, whatever is done."""
    book = await mine.create(values(1))
    others = books.repository(session, SimpleNamespace(tenant=2))
    assert await others.get(book.id) is None
    assert await others.count() == 0
    assert (await others.list()).items == []
    for attempt in (others.update(book.id, {"pages": 9}), others.delete(book.id), others.restore(book.id)):
        with pytest.raises(NotFoundError):
            await attempt
    with pytest.raises(ForbiddenError):
        await mine.update(book.id, {"tenant": 2})


async def test_lists_filter_sort_and_go_on(mine: Repository[Book]) -> None:
    """The names are those of the parameters, the values Python's; a cursor gives the rest."""
    await mine.create_many([values(number) for number in range(5)])
    found = await mine.list({"pages__gte": 2}, sort="-pages", limit=2)
    assert [book.pages for book in found.items] == [4, 3]
    rest = await mine.list({"pages__gte": 2}, sort="-pages", limit=2, cursor=found.next_cursor)
    assert ([book.pages for book in rest.items], rest.next_cursor) == ([2], None)
    assert [book.slug for book in (await mine.list({"pages__isnull": True})).items] == ["book-0"]
    assert [book.slug for book in (await mine.list({"pages__in": [1, 4]})).items] == ["book-1", "book-4"]
    assert [book.slug for book in (await mine.list(search="title 3")).items] == ["book-3"]
    assert await mine.count({"title__contains": "Title"}) == 5
    with pytest.raises(ValueError, match="there is no filter 'slug__eq'"):
        await mine.list({"slug__eq": "x"})
    with pytest.raises(ValueError, match="sort: 'nonsense'"):
        await mine.list(sort="nonsense")


@pytest.mark.parametrize("batch", [1, 2, 5, 6])
async def test_a_stream_is_the_whole_list(mine: Repository[Book], batch: int) -> None:
    """However many rows are read at a time, each comes once, in order."""
    await mine.create_many([values(number) for number in range(5)])
    assert [book.pages async for book in mine.stream(sort="-pages", batch=batch)] == [None, 4, 3, 2, 1]


async def test_versions_and_deletion(mine: Repository[Book]) -> None:
    """A write of another version is refused; a deleted row can be had by who asks for it, and comes back."""
    book = await mine.create(values(1))
    with pytest.raises(PreconditionFailedError):
        await mine.delete(book.id, version=7)
    await mine.delete(book.id, version=1)
    assert await mine.get(book.id) is None
    deleted = await mine.get(book.id, deleted="only")
    assert deleted is not None
    assert deleted.deleted_at is not None
    assert (await mine.restore(book.id)).deleted_at is None


async def test_what_is_refused_is_a_problem(mine: Repository[Book]) -> None:
    """Constraints are conflicts, and a value for no column is a mistake of the caller."""
    await mine.create(values(1))
    with pytest.raises(ValueError, match="colour: no columns of Book"):
        await mine.create({"colour": "red"})
    with pytest.raises(ConflictError):
        await mine.create(values(1))


async def test_events_come_with_the_commit(session: AsyncSession, mine: Repository[Book]) -> None:
    """Listeners are told when the caller commits, and of nothing that is rolled back."""
    await mine.create(values(1))
    assert told == []
    await session.rollback()
    book = await mine.create(values(2))
    await session.commit()
    assert told == [Changed("book", "create", [book.id])]


async def test_composite_keys_and_computed_columns(session: AsyncSession) -> None:
    """A composite key is a tuple; what is computed from other rows is read again after a write."""
    session.add_all([Book(id=1, slug="a", title="A"), Tag(id=1, word="old")])
    await session.flush()
    editions = CRUDRouter(Edition, prefix="/editions").repository(session)
    made = await editions.create({"book_id": 1, "year": 1937, "price": 3, "copies": 5})
    assert made.value == 15
    assert (await editions.update((1, 1937), {"copies": 6})).value == 18
    shelves = CRUDRouter(Shelf, prefix="/shelves").repository(session)
    assert (await shelves.create({"tag_id": 1})).id == 1
    await editions.delete((1, 1937))
    assert await editions.get((1, 1937)) is None
