"""A bookshop: the models of the tests of what goes beyond single tables.

A book has an author (to one), chapters (to many), tags (many to many), an owner, a version, a slug and can be put out
of use; an edition has a composite key.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from fastapi_kit.db import HIDDEN, READ_ONLY, Base, UTCDateTime


class Shop(DeclarativeBase):
    """A registry for these tests alone, with what `Base` has."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


book_tag = sa.Table(
    "book_tag",
    Shop.metadata,
    sa.Column[int]("book_id", sa.ForeignKey("book.id", ondelete="CASCADE"), primary_key=True),
    sa.Column[int]("tag_id", sa.ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True),
)


class Author(Shop):
    """Someone who writes, for one tenant."""

    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    tenant: Mapped[int] = mapped_column(default=1)
    secret: Mapped[str] = mapped_column(sa.String(20), default="hidden", info=HIDDEN)


class Tag(Shop):
    """A word for books."""

    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(sa.String(20), unique=True)


class Chapter(Shop):
    """A part of a book."""

    __tablename__ = "chapter"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("book.id"))
    title: Mapped[str] = mapped_column(sa.String(40))
    pages: Mapped[int] = mapped_column(default=1)


class Book(Shop):
    """What the shop sells."""

    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(40), unique=True)
    title: Mapped[str] = mapped_column(sa.String(40))
    pages: Mapped[int | None]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("author.id"))
    tenant: Mapped[int] = mapped_column(default=1)
    version: Mapped[int] = mapped_column(default=1, info=READ_ONLY)
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime(), info=READ_ONLY)
    author: Mapped[Author | None] = relationship()
    chapters: Mapped[list[Chapter]] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary=book_tag)


class Edition(Shop):
    """A printing of a book: two columns name it."""

    __tablename__ = "edition"
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("book.id"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    price: Mapped[int] = mapped_column(sa.Integer)
    copies: Mapped[int] = mapped_column(sa.Integer)
    value: Mapped[int] = column_property(price * copies)


class Shelf(Shop):
    """A row that counts others."""

    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    tag_id: Mapped[int | None] = mapped_column(sa.ForeignKey("tag.id"))


_tagged = sa.select(sa.func.count()).select_from(book_tag).where(book_tag.c.tag_id == Shelf.tag_id)
shelf_books = column_property(_tagged.correlate_except(book_tag).scalar_subquery())
sa.inspect(Shelf).add_property("books", shelf_books)
