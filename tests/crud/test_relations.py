"""Filters through relationships: which rows they let through, and that each comes once."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_kit.crud import EQUALITY, RANGE, TEXT, CRUDRouter, Query, ResourceError, set_principal
from fastapi_kit.db import HIDDEN, Database
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables, store
from tests.crud.shop import Author, Book, Chapter, Shop, Tag, book_tag

pytestmark = pytest.mark.anyio


BOOKS = CRUDRouter(
    Book,
    prefix="/books",
    routes={"list"},
    query=Query(
        filter={
            "title": TEXT,
            "author.name": TEXT,
            "author.id": RANGE,
            "chapters.title": TEXT,
            "chapters.pages": RANGE,
            "tags.word": {"eq", "in", "not_in"},
        }
    ),
)


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """Three books: one with everything twice, one with everything once, one with nothing."""
    await create_tables(database, Shop)
    await store(database, Author, {"id": 1, "name": "Ann"}, {"id": 2, "name": "Bo", "secret": "known"})
    await store(
        database,
        Book,
        {"id": 1, "slug": "full", "title": "Full", "author_id": 1},
        {"id": 2, "slug": "some", "title": "Some", "author_id": 2},
        {"id": 3, "slug": "bare", "title": "Bare"},
    )
    await store(
        database,
        Chapter,
        {"book_id": 1, "title": "Start", "pages": 10},
        {"book_id": 1, "title": "End", "pages": 20},
        {"book_id": 2, "title": "Start", "pages": 20},
    )
    await store(database, Tag, {"id": 1, "word": "old"}, {"id": 2, "word": "fun"})
    async with database.engine.begin() as connection:
        pairs = [(1, 1), (1, 2), (2, 2)]
        await connection.execute(sa.insert(book_tag), [{"book_id": book, "tag_id": tag} for book, tag in pairs])
    async with client(app_with(database, BOOKS)) as api:
        yield api


async def nobody(request: Request) -> None:
    """Anybody may ask."""
    set_principal(request, None)


async def ids(api: httpx2.AsyncClient, query: str) -> list[int]:
    """The keys of a list, whose total is that of its items."""
    response = await api.get(query)
    assert response.status_code == 200, response.text
    page = response.json()
    found = [item["id"] for item in page["items"]]
    assert page["total"] == len(found)
    return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("author.name=Ann", [1]),
        ("author.name__in=Ann&author.name__in=Bo", [1, 2]),
        ("author.name__ne=Ann", [2]),
        ("author.name__startswith=B", [2]),
        ("author.id__gte=1", [1, 2]),
        ("chapters.title=Start", [1, 2]),
        ("chapters.title__contains=t", [1, 2]),
        ("chapters.pages__gte=10", [1, 2]),
        ("tags.word__in=old&tags.word__in=fun", [1, 2]),
        ("tags.word=old", [1]),
        ("tags.word__not_in=fun", [1]),
        ("author.name=Ann&tags.word=fun&title=Full", [1]),
        ("author.name=Nobody", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("count", ["capped", "exact"])
async def test_a_row_with_a_related_row_that_fits(
    api: httpx2.AsyncClient, query: str, expected: list[int], count: str
) -> None:
    """A row comes once, however many related rows fit, in the items as in the total, also if that is counted."""
    assert await ids(api, f"/books?sort=id&count={count}&{query}") == expected
    first = (await api.get(f"/books?sort=id&limit=1&count={count}&{query}")).json()
    assert [item["id"] for item in first["items"]] == expected[:1]
    assert first["total"] == len(expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("chapters.title=End&chapters.pages=20", [1]),
        ("chapters.title=Start&chapters.pages=20", [2]),
        ("chapters.title=End&chapters.pages__lt=20", []),
        ("chapters.pages__gt=10&chapters.pages__lt=20", []),
    ],
)
async def test_conditions_of_one_way_mean_one_related_row(
    api: httpx2.AsyncClient, query: str, expected: list[int]
) -> None:
    """Two filters on chapters are both about the same chapter, not about one each."""
    assert await ids(api, f"/books?sort=id&{query}") == expected


@pytest.mark.parametrize(
    ("path", "operators", "message"),
    [
        ("author.secret", {"eq"}, "'author.secret' is no column that clients can read; those are id, name, tenant"),
        ("author.none", {"eq"}, "'author.none' is no column that clients can read"),
        ("writer.name", {"eq"}, "'writer' is no relationship of Book; there are: author, chapters, tags"),
        ("author.name.length", {"eq"}, "'name' is no relationship of Author; there are: none"),
        ("author", {"eq"}, "'author' is no column that clients can read"),
        ("author.name", {"gte"}, "author.name: no operators gte"),
        ("tags.word", set[str](), "tags.word: no operators"),
    ],
    ids=["hidden", "no-column", "no-relationship", "column-as-relationship", "relationship-alone", "operator", "none"],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, operators: set[str], message: str) -> None:
    """What cannot be filtered by is told when the router is made, with what can be."""
    with pytest.raises(ResourceError) as raised:
        CRUDRouter(Book, prefix="/books", query=Query(filter={path: operators}))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "query", ["author.secret=known", "author.secret__startswith=k", "author.tenant=1", "author=1", "sort=author.name"]
)
async def test_only_declared_paths_are_served(api: httpx2.AsyncClient, query: str) -> None:
    """A client cannot ask about hidden or undeclared columns of related rows, nor sort by any of them."""
    response = await api.get(f"/books?{query}")
    assert response.status_code == 422
    assert "known" not in response.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [("author.name=Bo", []), ("author.name=Ann", [1]), ("tags.word=fun", [1, 2]), ("tags.word=old", [])],
)
async def test_scopes_hold_for_related_rows(
    api: httpx2.AsyncClient, database: Database, query: str, expected: list[int]
) -> None:
    """A related row that is out of scope is not there: nothing can be found out about it."""
    router = CRUDRouter(
        Book,
        prefix="/books",
        query=Query(filter={"author.name": TEXT, "tags.word": TEXT}),
        scope={Author: Author.name != "Bo", Tag: Tag.word.in_(sa.select(Tag.word).where(Tag.id == 2))},
        dependencies={"*": [Depends(nobody)]},
    )
    async with client(app_with(database, router)) as scoped:
        assert await ids(scoped, f"/books?sort=id&{query}") == expected


class People(DeclarativeBase):
    """A registry for these tests alone."""


friendship = sa.Table(
    "friendship",
    People.metadata,
    sa.Column[int]("one_id", sa.ForeignKey("person.id"), primary_key=True),
    sa.Column[int]("other_id", sa.ForeignKey("person.id"), primary_key=True),
)


class House(People):
    """Where people live."""

    __tablename__ = "house"
    id: Mapped[int] = mapped_column(primary_key=True)
    people: Mapped[list["Person"]] = relationship(back_populates="house")


class Person(People):
    """A row that is related to others of its own table in every way."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(sa.String(8))
    age: Mapped[int]
    secret: Mapped[str] = mapped_column(sa.String(8), default="hidden", info=HIDDEN)
    mentor_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"))
    house_id: Mapped[int] = mapped_column(sa.ForeignKey("house.id"))
    house: Mapped[House] = relationship(back_populates="people")
    mentor: Mapped["Person | None"] = relationship(remote_side="Person.id", back_populates="pupils")
    pupils: Mapped[list["Person"]] = relationship(back_populates="mentor")
    friends: Mapped[list["Person"]] = relationship(
        secondary=friendship,
        primaryjoin="Person.id == friendship.c.one_id",
        secondaryjoin="Person.id == friendship.c.other_id",
    )


WAYS = ("mentor", "pupils", "friends")
PATHS = [
    *WAYS,
    *(f"{first}.{second}" for first in WAYS for second in WAYS),
    "mentor.pupils.friends",
    "house.people",
    "pupils.house.people",
]
_t = Person.__table__.c
SCOPES = {
    "attribute": Person.age != 0,
    "column": _t.age != 0,
    "subquery": Person.id.in_(sa.select(Person.id).where(Person.age != 0)),
    "subquery-of-columns": _t.id.in_(sa.select(_t.id).where(_t.age != 0)),
}
"""Ways to say whom the routes under these prefixes do not know."""


@dataclass(frozen=True)
class World:
    """People, and who is related to whom."""

    people: Mapping[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])
    friends: frozenset[tuple[int, int]] = frozenset()

    def related(self, key: int, way: str) -> Iterable[int]:
        """Those at the other end of a relationship."""
        match way:
            case "mentor":
                mentor = self.people[key]["mentor_id"]
                return () if mentor is None else (mentor,)
            case "pupils":
                return (other for other, person in self.people.items() if person["mentor_id"] == key)
            case "house":
                return (-self.people[key]["house_id"],)  # houses have negative numbers here
            case "people":
                return (other for other, person in self.people.items() if person["house_id"] == -key)
            case _:
                return (other for one, other in self.friends if one == key)

    def ends(self, key: int, path: str, known: Callable[[int], bool]) -> set[int]:
        """All those to whom a path leads by way of people who are known."""
        ends = {key}
        for way in path.split("."):
            ends = {other for one in ends for other in self.related(one, way) if other < 0 or known(other)}
        return ends


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to six people."""
    keys = draw(st.lists(st.integers(1, 6), unique=True, max_size=6))
    people = {
        key: {
            "name": draw(st.sampled_from("abc")),
            "age": draw(st.integers(0, 2)),
            "house_id": draw(st.integers(1, 3)),
            "mentor_id": draw(st.none() | st.sampled_from(keys)),
        }
        for key in keys
    }
    pairs = st.tuples(st.sampled_from(keys), st.sampled_from(keys)) if keys else st.nothing()
    return World(people, frozenset(draw(st.frozensets(pairs, max_size=6)) if keys else ()))


async def settle(database: Database, world: World) -> None:
    """Store a world in place of the one before."""
    async with database.engine.begin() as connection:
        await connection.execute(sa.delete(friendship))
        await connection.execute(sa.update(Person).values(mentor_id=None))
        await connection.execute(sa.delete(Person))
        for key, person in world.people.items():
            await connection.execute(sa.insert(Person).values(id=key, **{**person, "mentor_id": None}))
        for key, person in world.people.items():
            changed = sa.update(Person).where(Person.id == key).values(mentor_id=person["mentor_id"])
            await connection.execute(changed)
        for one, other in world.friends:
            await connection.execute(sa.insert(friendship).values(one_id=one, other_id=other))


@pytest.fixture
async def people(database: Database) -> AsyncGenerator[tuple[httpx2.AsyncClient, Database]]:
    """People, served with filters along all paths, with and without a scope."""
    await create_tables(database, People)
    await store(database, House, {"id": 1}, {"id": 2}, {"id": 3})
    filters = {f"{path}.{column}": EQUALITY for path in PATHS for column in ("name", "age")}
    query = Query(filter=filters, max_limit=100, limit=100)
    free = CRUDRouter(Person, prefix="/free", routes={"list"}, query=query)
    scoped = [
        CRUDRouter(
            Person,
            prefix=f"/{form}",
            routes={"list"},
            query=query,
            scope=scope,
            dependencies={"*": [Depends(nobody)]},
        )
        for form, scope in SCOPES.items()
    ]
    async with client(app_with(database, free, *scoped)) as api:
        yield api, database


asked = st.lists(
    st.tuples(st.sampled_from(PATHS), st.sampled_from("abc") | st.none(), st.integers(0, 2) | st.none()).filter(
        lambda each: each[1:] != (None, None)
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda each: each[0],
)
Asked = Sequence[tuple[str, str | None, int | None]]


def found_by(world: World, conditions: Asked, known: Callable[[int], bool]) -> list[int]:
    """Those that are known and for whom each path leads to somebody who fits."""

    def fits(key: int, name: str | None, age: int | None) -> bool:
        person = world.people[key]
        return name in {None, person["name"]} and age in {None, person["age"]}

    return [
        key
        for key in sorted(world.people)
        if known(key)
        and all(any(fits(other, name, age) for other in world.ends(key, path, known)) for path, name, age in conditions)
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds(), conditions=asked, form=st.sampled_from(sorted(SCOPES)))
async def test_paths_lead_where_python_finds(
    people: tuple[httpx2.AsyncClient, Database], world: World, conditions: Asked, form: str
) -> None:
    """Law: filters along any path of a model's relationships to itself are those of an oracle, in scope or without."""
    api, database = people
    await settle(database, world)
    pairs = [(f"{path}.name", name) for path, name, _ in conditions if name is not None]
    pairs += [(f"{path}.age", str(age)) for path, _, age in conditions if age is not None]
    query = httpx2.QueryParams([("sort", "id"), ("count", "exact"), *pairs])
    assert await ids(api, f"/free?{query}") == found_by(world, conditions, lambda _: True)
    assert await ids(api, f"/{form}?{query}") == found_by(world, conditions, lambda key: world.people[key]["age"] != 0)
