"""Includes by schemas of one's own, in rows by schemas of one's own."""

from typing import Annotated, Any

import pytest
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    computed_field,
    field_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel

from fastapi_kit.crud import CRUDRouter, Many, One, Query
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables, store
from tests.crud.shop import Author, Book, Chapter, Shop

pytestmark = pytest.mark.anyio


class AuthorRow(BaseModel):
    """Names columns, and no more."""

    id: int
    name: str


class AuthorAlias(BaseModel):
    """Has names of its own, and leaves the key out."""

    name: str = Field(serialization_alias="fullName")


class AuthorShout(BaseModel):
    """Changes a value on its way in, and computes another."""

    name: Annotated[str, BeforeValidator(str.upper)]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def length(self) -> int:
        """What no column holds."""
        return len(self.name)


class ChapterRow(BaseModel):
    """Names columns, and no more, and not in their order."""

    title: str
    id: int


class ChapterSerialised(BaseModel):
    """Writes a value in its own way."""

    title: str
    pages: int

    @field_serializer("pages")
    def write_pages(self, pages: int) -> str:
        """As text."""
        return f"{pages} pages"


class BookRow(BaseModel):
    """Names columns, and no more."""

    id: int
    title: str
    pages: int | None


class BookCamel(BaseModel):
    """Has names made by a rule."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    id: int
    author_id: int | None


class BookComputed(BaseModel):
    """Computes a value, and leaves one out that it computes it from."""

    id: int
    title: str = Field(exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def heading(self) -> str:
        """What no column holds."""
        return f"* {self.title} *"


class BookFrozen(BaseModel):
    """Is checked as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_to_lower=True)
    id: int
    title: str

    @model_validator(mode="after")
    def look(self) -> "BookFrozen":
        """See that it is in lower case."""
        assert self.title == self.title.lower()
        return self


AUTHORS = (AuthorRow, AuthorAlias, AuthorShout)
CHAPTERS = (ChapterRow, ChapterSerialised)
BOOKS = (BookRow, BookCamel, BookComputed, BookFrozen)


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.parametrize("author", AUTHORS)
@pytest.mark.parametrize("book", BOOKS)
async def test_schemas_of_ones_own(
    database: Database, book: type[BaseModel], author: type[BaseModel], chapter: type[BaseModel]
) -> None:
    """A row and what belongs to it are, member by member, what pydantic writes of each of the given schemas."""
    await create_tables(database, Shop)
    await store(database, Author, {"id": 1, "name": "Ann"})
    await store(
        database, Book, *({"id": n, "slug": str(n), "title": "The A", "author_id": by} for n, by in ((1, 1), (2, None)))
    )
    await store(database, Chapter, *({"id": n, "book_id": 1, "title": f"c{n}", "pages": n} for n in (1, 2)))
    router = CRUDRouter(
        Book,
        prefix="/books",
        routes={"list", "get"},
        read=book,
        include={"author": One(author), "chapters": Many(chapter)},
        query=Query(sparse=True),
    )

    def written(schema: type[BaseModel], **values: Any) -> Any:
        return schema.model_validate(values, by_name=True, by_alias=True, extra="ignore").model_dump(
            mode="json", by_alias=True
        )

    rows = [written(book, id=number, title="The A", pages=None, author_id=by) for number, by in ((1, 1), (2, None))]
    authors = [written(author, id=1, name="Ann"), None]
    chapters = [[written(chapter, id=n, title=f"c{n}", pages=n) for n in (1, 2)], []]
    whole = [{**row, "author": one, "chapters": many} for row, one, many in zip(rows, authors, chapters, strict=True)]
    async with client(app_with(database, router)) as api:
        assert (await api.get("/books")).json()["items"] == rows
        assert (await api.get("/books?include=author,chapters")).json()["items"] == whole
        assert [(await api.get(f"/books/{n}?include=author,chapters")).json() for n in (1, 2)] == whole
        assert (await api.get("/books/1?fields=id&include=chapters")).json() == {"id": 1, "chapters": chapters[0]}
        assert (await api.get("/books?fields=id&include=author")).json()["items"] == [
            {"id": number, "author": one} for number, one in enumerate(authors, 1)
        ]
