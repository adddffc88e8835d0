"""Tenants who share tables, and scopes in every form, each with what it means in plain Python.

`Rule.scope` is what a router is given; `Rule.holds` says the same of a row of a `World`, in which SQL has no part.
"""

# pyright: basic

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship

from fastapi_kit.crud import Scope, of_principal
from fastapi_kit.db import HIDDEN, READ_ONLY, Base, UTCDateTime


class Tenants(DeclarativeBase):
    """A registry for these tests alone, with what `Base` has."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


pairs = sa.Table(
    "book_tag",
    Tenants.metadata,
    sa.Column[int]("book_id", sa.ForeignKey("book.id"), primary_key=True),
    sa.Column[int]("tag_id", sa.ForeignKey("tag.id"), primary_key=True),
)


class Author(Tenants):
    """Who writes books."""

    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(9))
    tenant: Mapped[int]


class Book(Tenants):
    """A row that refers to an author and to a row of its own table."""

    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(sa.String(9))
    pages: Mapped[int | None]
    tenant: Mapped[int | None]
    public: Mapped[bool] = mapped_column(default=False)
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("author.id"))
    sequel_of_id: Mapped[int | None] = mapped_column(sa.ForeignKey("book.id"))
    version: Mapped[int] = mapped_column(default=1, info=READ_ONLY)
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime(), info=HIDDEN)
    author: Mapped[Author | None] = relationship()
    sequel_of: Mapped["Book | None"] = relationship(remote_side=[id])  # noqa: A003 - the column above
    chapters: Mapped[list["Chapter"]] = relationship(order_by="Chapter.id")
    tags: Mapped[list["Tag"]] = relationship(secondary=pairs)


class Chapter(Tenants):
    """A part of a book, with a tenant of its own."""

    __tablename__ = "chapter"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(sa.String(9))
    tenant: Mapped[int]
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("book.id"))
    book: Mapped[Book] = relationship(overlaps="chapters")


class Tag(Tenants):
    """A word for books."""

    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(sa.String(9))
    tenant: Mapped[int]


@dataclass(frozen=True)
class Principal:
    """Who asks: for one tenant, seeing something of others."""

    tenant: int
    tenants: tuple[int, ...] = ()
    admin: bool = False


Row = Mapping[str, Any]
Rows = Mapping[int, Row]
MODELS: tuple[type[Tenants], ...] = (Author, Book, Chapter, Tag)


@dataclass(frozen=True)
class World:
    """All rows, by model and key."""

    rows: Mapping[type[Tenants], Rows] = field(default_factory=lambda: {model: {} for model in MODELS})
    pairs: frozenset[tuple[int, int]] = frozenset()

    def chapters(self, book: Row) -> list[Row]:
        """Those of a book."""
        return [it for it in self.rows[Chapter].values() if it["book_id"] == book["id"]]

    def books(self, author: Row) -> list[Row]:
        """Those of an author."""
        return [it for it in self.rows[Book].values() if it["author_id"] == author["id"]]

    def tenant_of(self, model: type[Tenants], key: int | None) -> int | None:
        """The tenant of a row that another refers to."""
        found = None if key is None else self.rows[model].get(key)
        return None if found is None else found["tenant"]

    def replaced(self, model: type[Tenants], rows: Rows) -> "World":
        """The same with other rows of one model."""
        return World({**self.rows, model: rows}, self.pairs)


@dataclass(frozen=True)
class Rule:
    """A scope, and what it means."""

    scope: Scope
    holds: Callable[[Principal, World, Row], bool]


_tenant = of_principal(lambda it: it.tenant)
_tenants = of_principal(lambda it: it.tenants)
_other: Any = aliased(Book)


def _own(who: Principal, _world: World, row: Row) -> bool:
    return bool(row["tenant"] == who.tenant)


def _by_form(who: Principal) -> sa.ColumnElement[bool]:
    if who.admin:
        return Book.author.has(Author.tenant == who.tenant)
    return sa.or_(Book.tenant == _tenant, Book.pages > 5)


BOOK_RULES: Mapping[str, Rule] = {
    "own": Rule(Book.tenant == _tenant, _own),
    "public": Rule(
        sa.or_(Book.tenant == _tenant, Book.public), lambda who, world, it: _own(who, world, it) or it["public"]
    ),
    "unowned": Rule(
        sa.or_(Book.tenant.is_(None), Book.tenant == _tenant), lambda who, _, it: it["tenant"] in {None, who.tenant}
    ),
    "several": Rule(Book.tenant.in_(_tenants), lambda who, _, it: it["tenant"] in who.tenants),
    # What is neither true nor false is out of scope, too.
    "others": Rule(sa.not_(Book.tenant == _tenant), lambda who, _, it: it["tenant"] not in {None, who.tenant}),
    "of-own-author": Rule(
        Book.author.has(Author.tenant == _tenant),
        lambda who, world, it: world.tenant_of(Author, it["author_id"]) == who.tenant,
    ),
    "in-subquery": Rule(
        Book.author_id.in_(sa.select(Author.id).where(Author.tenant == _tenant)),
        lambda who, world, it: world.tenant_of(Author, it["author_id"]) == who.tenant,
    ),
    "no-foreign-chapter": Rule(
        ~Book.chapters.any(Chapter.tenant != _tenant),
        lambda who, world, it: all(_own(who, world, chapter) for chapter in world.chapters(it)),
    ),
    "in-own-table": Rule(Book.id.in_(sa.select(_other.id).where(_other.tenant == _tenant)), _own),
    "sequel-of-own": Rule(
        Book.sequel_of.has(Book.tenant == _tenant),
        lambda who, world, it: world.tenant_of(Book, it["sequel_of_id"]) == who.tenant,
    ),
    "own-or-admin": Rule(
        lambda who: sa.true() if who.admin else Book.tenant == who.tenant,
        lambda who, world, it: who.admin or _own(who, world, it),
    ),
    "by-form": Rule(
        _by_form,
        lambda who, world, it: (
            world.tenant_of(Author, it["author_id"]) == who.tenant
            if who.admin
            else _own(who, world, it) or (it["pages"] or 0) > 5
        ),
    ),
}

AUTHOR_RULES: Mapping[str, Rule] = {
    "own": Rule(Author.tenant == _tenant, _own),
    "by-function": Rule(lambda who: Author.tenant == who.tenant, _own),
    # The subqueries name the table of the rows that the author is included with.
    "has-own-book": Rule(
        sa.exists().where(Book.author_id == Author.id, Book.tenant == _tenant),
        lambda who, world, it: any(_own(who, world, book) for book in world.books(it)),
    ),
    "no-foreign-book": Rule(
        ~sa.exists().where(Book.author_id == Author.id, Book.tenant != _tenant),
        lambda who, world, it: all(book["tenant"] in {None, who.tenant} for book in world.books(it)),
    ),
}

CHAPTER_RULES: Mapping[str, Rule] = {
    "own": Rule(Chapter.tenant == _tenant, _own),
    "of-own-book": Rule(
        Chapter.book.has(Book.tenant == _tenant),
        lambda who, world, it: world.tenant_of(Book, it["book_id"]) == who.tenant,
    ),
}

TAG_RULES: Mapping[str, Rule] = {
    "own": Rule(Tag.tenant == _tenant, _own),
    "of-own-book": Rule(
        Tag.id.in_(sa.select(pairs.c.tag_id).join(Book, Book.id == pairs.c.book_id).where(Book.tenant == _tenant)),
        lambda who, world, it: any(
            tag == it["id"] and world.tenant_of(Book, book) == who.tenant for book, tag in world.pairs
        ),
    ),
}


@dataclass(frozen=True)
class Scheme:
    """Scopes that hold together.

    Attributes:
        name: Of the book's rule.
        rules: By model; a model without one is open to all.
        stamped: Whether the server writes the tenant of a book.
    """

    name: str
    rules: Mapping[type[Tenants], Rule] = field(repr=False)
    stamped: bool = False

    @property
    def scope(self) -> Mapping[type[DeclarativeBase], Scope]:
        """What routers are given."""
        return {model: rule.scope for model, rule in self.rules.items()}

    def sees(self, who: Principal, world: World, model: type[Tenants], row: Row) -> bool:
        """Whether a row is in scope."""
        return model not in self.rules or self.rules[model].holds(who, world, row)

    def visible(self, who: Principal, world: World) -> World:
        """The rows that are in scope."""
        rows = {
            model: {key: row for key, row in found.items() if self.sees(who, world, model, row)}
            for model, found in world.rows.items()
        }
        known = frozenset((book, tag) for book, tag in world.pairs if book in rows[Book] and tag in rows[Tag])
        return World(rows, known)


def _scheme(name: str, author: str = "", chapter: str = "", tag: str = "", *, stamped: bool = False) -> Scheme:
    named = ((Book, BOOK_RULES, name), (Author, AUTHOR_RULES, author), (Chapter, CHAPTER_RULES, chapter))
    chosen = [*named, (Tag, TAG_RULES, tag)]
    return Scheme(name or "open", {model: rules[rule] for model, rules, rule in chosen if rule}, stamped)


SCHEMES = (
    _scheme("own", "own", "own", "own", stamped=True),
    _scheme("public", "has-own-book", "of-own-book", "of-own-book"),
    _scheme("unowned", "no-foreign-book", stamped=True),
    _scheme("several", tag="own"),
    _scheme("others", "own"),
    _scheme("of-own-author", "no-foreign-book", "own"),
    _scheme("in-subquery", "own"),
    _scheme("no-foreign-chapter", "has-own-book", "own"),
    _scheme("in-own-table", "", "of-own-book"),
    _scheme("sequel-of-own", tag="of-own-book"),
    _scheme("own-or-admin", "by-function", "own"),
    _scheme("by-form", "own", tag="of-own-book"),
    _scheme("", "by-function", "own", "own"),
)

DELETED = datetime(2024, 1, 1, tzinfo=UTC)
"""When what is deleted was."""


async def load(run: Callable[[Callable[[sa.Connection], Any]], Any], world: World) -> None:
    """Put a world into tables, in place of what is there; references may lead nowhere."""

    def work(connection: sa.Connection) -> None:
        sqlite = connection.dialect.name == "sqlite"
        off, on = ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON") if sqlite else (_REPLICA, _ORIGIN)
        connection.exec_driver_sql(off)
        for table in Tenants.metadata.tables.values():
            connection.execute(sa.delete(table))
        for model, rows in world.rows.items():
            if rows:
                connection.execute(sa.insert(model), [_stored(row) for row in rows.values()])
        if world.pairs:
            connection.execute(pairs.insert(), [{"book_id": book, "tag_id": tag} for book, tag in world.pairs])
        connection.exec_driver_sql(on)

    await run(work)


async def snapshot(run: Callable[[Callable[[sa.Connection], Any]], Any]) -> World:
    """The world that is in the tables."""

    def work(connection: sa.Connection) -> World:
        rows = {model: {row.id: _seen(row) for row in connection.execute(_all(model))} for model in MODELS}
        return World(rows, frozenset((book, tag) for book, tag in connection.execute(sa.select(pairs))))

    world: World = await run(work)
    return world


_REPLICA, _ORIGIN = "SET session_replication_role = replica", "SET session_replication_role = origin"


def _all(model: type[Tenants]) -> sa.Select[Any]:
    return sa.select(model.__table__)


def _stored(row: Row) -> dict[str, Any]:
    return {**row, "deleted_at": DELETED if row["deleted_at"] else None} if "deleted_at" in row else dict(row)


def _seen(row: sa.Row[Any]) -> Row:
    """A row without the instant of its deletion, which two worlds cannot share."""
    found = row._asdict()
    return {**found, "deleted_at": found["deleted_at"] is not None} if "deleted_at" in found else found
