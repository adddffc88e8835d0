"""Exports: every row of a list, in the form that was asked for, a page at a time."""

import csv
import io
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel, computed_field
from starlette.types import Message, Scope

from fastapi_kit.crud import CRUDRouter, Query, _export
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.library import VALUES, Everything, app_with, create_tables, store
from tests.crud.shop import Book, Shop

pytestmark = pytest.mark.anyio


class Titled(BaseModel):
    """A row with more than its columns, and with a name of its own."""

    id: int
    title: str

    @computed_field
    def shout(self) -> str:
        """The title, loud."""
        return self.title.upper()


books = CRUDRouter(Book, prefix="/books", routes={"list", "export"}, query=Query(sparse=True, search={"title"}))
titled = CRUDRouter(Book, prefix="/titled", routes={"export"}, read=Titled, query=Query(sparse=True))
everything = CRUDRouter(Everything, prefix="/everything", routes={"list", "export"})


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """Serves 25 books."""
    await create_tables(database, Shop)
    await create_tables(database)
    rows = [{"slug": f"s{n}", "title": f"T{n % 7}", "pages": n % 5 or None} for n in range(25)]
    await store(database, Book, *rows)
    async with client(app_with(database, books, titled, everything)) as api:
        yield api


def lines(text: str) -> list[Any]:
    """The values of NDJSON."""
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("chunk", [1, 7, 25, 26])
@pytest.mark.parametrize("query", ["", "sort=-pages,title", "sort=title&pages__isnull=true", "search=T3"])
async def test_an_export_is_the_whole_list(
    api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, chunk: int, query: str
) -> None:
    """Law: however many rows are read at a time, an export has the rows of the unpaged list, in its order."""
    monkeypatch.setattr(_export, "CHUNK", chunk)
    whole = (await api.get(f"/books?limit=100&{query}")).json()["items"]
    exported = await api.get(f"/books.ndjson?{query}")
    assert exported.headers["content-type"] == "application/x-ndjson"
    assert lines(exported.text) == whole
    table = await api.get(f"/books.csv?{query}")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.headers["content-disposition"] == 'attachment; filename="books.csv"'
    read = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["slug"] for row in read] == [row["slug"] for row in whole]


async def test_fields_and_given_schemas_are_those_of_the_list(api: httpx2.AsyncClient) -> None:
    """Sparse fields, computed fields and their names are the same in every form."""
    assert (await api.get("/books.csv?fields=id,title&sort=id")).text.splitlines()[:2] == ["id,title", "1,T0"]
    assert (await api.get("/titled.csv")).text.splitlines()[:2] == ["id,title,shout", "1,T0,T0"]
    assert lines((await api.get("/titled.ndjson?fields=title")).text)[0] == {"title": "T0"}


async def test_nothing_stored_is_a_head_alone(database: Database, api: httpx2.AsyncClient) -> None:
    """An export of no rows is a table without rows, or nothing."""
    assert (await api.get("/books.csv?title=none&fields=id")).text == "id\r\n"
    assert (await api.get("/books.ndjson?title=none")).text == ""


async def test_values_of_every_type(database: Database, api: httpx2.AsyncClient) -> None:
    """A table has the text of the JSON values, and JSON where that is no scalar."""
    await store(database, Everything, VALUES)
    (listed,) = (await api.get("/everything")).json()["items"]
    assert lines((await api.get("/everything.ndjson")).text) == [listed]
    (row,) = csv.DictReader(io.StringIO((await api.get("/everything.csv")).text))
    for name, value in listed.items():
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | bool) else value
        assert row[name] == ("" if text is None else str(text)), name


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1+1", "@x", "\tx", "\rx"])
async def test_no_text_is_a_formula(database: Database, api: httpx2.AsyncClient, title: str) -> None:
    """What a spreadsheet would run is text with an apostrophe in a table, and as it is in NDJSON."""
    await store(database, Book, {"slug": "evil", "title": title})
    (row,) = csv.DictReader(io.StringIO((await api.get("/books.csv?slug=evil")).text, newline=""))
    assert row["title"] == f"'{title}"
    assert lines((await api.get("/books.ndjson?slug=evil")).text)[0]["title"] == title


@pytest.mark.parametrize("query", ["limit=5", "page=2", "cursor=x", "count=none", "include=author", "nonsense=1"])
async def test_there_are_no_pages_in_an_export(api: httpx2.AsyncClient, query: str) -> None:
    """Parameters of pages are refused, as they would be ignored."""
    assert (await api.get(f"/books.csv?{query}")).status_code == 422


async def test_an_export_that_breaks_off_does_not_look_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure after the start of the answer is raised to the server, which closes the connection; no end is sent."""
    monkeypatch.setattr(_export, "CHUNK", 2)
    await create_tables(database, Shop)
    await store(database, Book, *({"slug": f"s{n}", "title": "T"} for n in range(6)))
    app = app_with(database, books)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if len([it for it in sent if it["type"] == "http.response.body"]) == 1:
            await database.run(lambda connection: connection.exec_driver_sql("ALTER TABLE book RENAME TO gone"))

    with pytest.raises(Exception, match="book"):
        await call(app, database, "/books.ndjson", send)
    bodies: Sequence[Message] = [it for it in sent if it["type"] == "http.response.body"]
    assert len(bodies) >= 1
    assert all(it["more_body"] for it in bodies)


async def call(app: Any, database: Database, path: str, send: Any) -> None:
    """Call an app as a server does, without a client that would hide what it raises."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "state": {"database": database},
    }
    await app(scope, receive, send)
