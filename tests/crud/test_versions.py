"""Versions: `ETag`, `If-Match` and `If-None-Match`, and no write over what a client has not seen."""

import os
import time
from collections import Counter
from collections.abc import AsyncGenerator

import anyio
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter, Query, Version, of_principal, set_principal
from fastapi_kit.db import READ_ONLY, Database, Versioned
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables, store

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Draft(Models):
    """A version that is a column like any other; the router counts it."""

    __tablename__ = "draft"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(50))
    number: Mapped[int] = mapped_column(default=0)
    owner: Mapped[int] = mapped_column(default=1, info=READ_ONLY)
    version: Mapped[int] = mapped_column(sa.SmallInteger, info=READ_ONLY)


class Letter(Versioned, Models):
    """A version that the column counts by itself."""

    __tablename__ = "letter"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(50))
    number: Mapped[int] = mapped_column(default=0)


class Text(BaseModel):
    """What a client writes."""

    text: str


class Brief(BaseModel):
    """A draft without its version."""

    id: int
    text: str


async def as_user(request: Request) -> None:
    """Say who asks."""
    set_principal(request, int(request.headers.get("x-user", "1")))


MINE = Draft.owner == of_principal(lambda user: user)
ROUTERS = (
    CRUDRouter(Draft, prefix="/drafts", version="version"),
    CRUDRouter(Letter, prefix="/letters", version=Version()),
    CRUDRouter(Draft, prefix="/lenient", version=Version(required=False)),
    CRUDRouter(Draft, prefix="/secretive", create=Text, read=Brief, version="version"),
    CRUDRouter(Draft, prefix="/mine", scope=MINE, version="version", dependencies={"*": [Depends(as_user)]}),
)
"""Each kind of version, and some ways to have one."""


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the app."""
    await create_tables(database, Models)
    async with client(app_with(database, *ROUTERS)) as api:
        yield api


both = pytest.mark.parametrize("path", ["/drafts", "/letters"], ids=["counted-by-the-router", "counted-by-the-column"])


async def made(api: httpx2.AsyncClient, path: str = "/drafts") -> str:
    """The path of a new row."""
    answer = await api.post(path, json={"text": "new"})
    assert answer.status_code == 201
    return answer.headers["location"]


@both
async def test_each_answer_tells_the_version_that_each_write_counts(api: httpx2.AsyncClient, path: str) -> None:
    """A new row has version 1, each change one more, and POST, GET, PATCH and PUT answer it as `ETag`."""
    created = await api.post(path, json={"text": "new"})
    row = created.headers["location"]
    seen = [created, await api.get(row)]
    for method, body in (("PATCH", {"text": "patched"}), ("PUT", {"text": "put"}), ("PATCH", {})):
        seen.append(await api.request(method, row, json=body, headers={"If-Match": seen[-1].headers["etag"]}))
    seen.append(await api.get(row))
    assert [answer.headers["etag"] for answer in seen] == ['"1"', '"1"', '"2"', '"3"', '"3"', '"3"']
    assert [answer.json()["version"] for answer in seen] == [1, 1, 2, 3, 3, 3]


@both
@pytest.mark.parametrize(
    "sent", ['"1"', 'W/"1"', '"7", "1"', '"a,b", W/"1"', "*"], ids=["strong", "weak", "list", "commas", "any"]
)
async def test_what_a_client_has_is_not_sent_again(api: httpx2.AsyncClient, path: str, sent: str) -> None:
    """GET with `If-None-Match` of the current version is a 304 with the tag and no body."""
    row = await made(api, path)
    answer = await api.get(row, headers={"If-None-Match": sent})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')


async def test_what_a_client_lacks_is_sent(api: httpx2.AsyncClient) -> None:
    """GET with `If-None-Match` of other versions is the row; an absent row is a 404, also with `*`."""
    row = await made(api)
    assert (await api.get(row, headers={"If-None-Match": '"2", "11"'})).json()["text"] == "new"
    assert (await api.get("/drafts/99", headers={"If-None-Match": "*"})).status_code == 404


async def test_a_part_of_a_row_has_the_tag_of_the_row(database: Database) -> None:
    """GET of some fields is conditional, too, whether the version is among them or not."""
    await create_tables(database, Models)
    router = CRUDRouter(Draft, prefix="/drafts", version="version", query=Query(sparse=True))
    async with client(app_with(database, router)) as api:
        row = await made(api)
        answer = await api.get(f"{row}?fields=text")
        assert (answer.json(), answer.headers["etag"]) == ({"text": "new"}, '"1"')
        assert (await api.get(f"{row}?fields=text", headers={"If-None-Match": '"1"'})).status_code == 304


OTHERS = {
    "older": '"0"',
    "newer": '"2"',
    "weak": 'W/"1"',
    "foreign": '"abc"',
    "larger-than-the-column": '"40000"',
    "larger-than-any-column": f'"{2**63 - 1}"',
    "larger-than-that": f'"{10**30}"',
}


@both
@pytest.mark.parametrize("sent", OTHERS.values(), ids=OTHERS)
async def test_another_version_is_not_written_over(api: httpx2.AsyncClient, path: str, sent: str) -> None:
    """PATCH, PUT and DELETE of a version that the row does not have are 412, and the row stays as it is."""
    row = await made(api, path)
    headers = {"If-Match": sent}
    for answer in (
        await api.patch(row, json={"text": "lost"}, headers=headers),
        await api.patch(row, json={}, headers=headers),
        await api.put(row, json={"text": "lost"}, headers=headers),
        await api.delete(row, headers=headers),
    ):
        assert (answer.status_code, answer.json()["status"]) == (412, 412)
    kept = await api.get(row)
    assert (kept.json()["text"], kept.headers["etag"]) == ("new", '"1"')


@both
@pytest.mark.parametrize("sent", ['"1"', '"7", "1"', "*"], ids=["one", "list", "any"])
async def test_the_version_that_was_seen_is_written_over(api: httpx2.AsyncClient, path: str, sent: str) -> None:
    """PATCH, PUT and DELETE of the version that the row has are done."""
    for method, body, status in (("PATCH", {"text": "x"}, 200), ("PUT", {"text": "x"}, 200), ("DELETE", None, 204)):
        row = await made(api, path)
        assert (await api.request(method, row, json=body, headers={"If-Match": sent})).status_code == status


async def test_headers_of_one_name_are_one_list(api: httpx2.AsyncClient) -> None:
    """A tag counts in whichever of several `If-Match` headers it stands; `*` is no part of a list."""
    row = await made(api)
    several = [("If-Match", '"7"'), ("If-Match", '"1"')]
    assert (await api.patch(row, json={"text": "x"}, headers=several)).status_code == 200
    assert (await api.delete(row, headers=[("If-Match", "*"), ("If-Match", '"2"')])).status_code == 400


@both
async def test_a_version_is_asked_for(api: httpx2.AsyncClient, path: str) -> None:
    """Without `If-Match`, a write is a 428, whether the row is there or not, and nothing changes."""
    row = await made(api, path)
    for place in (row, f"{path}/99"):
        assert (await api.patch(place, json={"text": "lost"})).status_code == 428
        assert (await api.put(place, json={"text": "lost"})).status_code == 428
        assert (await api.delete(place)).status_code == 428
    assert (await api.get(row)).headers["etag"] == '"1"'


async def test_a_version_that_is_not_asked_for_counts_if_it_is_given(api: httpx2.AsyncClient) -> None:
    """With `required=False` a write without `If-Match` is done and counted, and one with another version is a 412."""
    row = await made(api, "/lenient")
    assert (await api.patch(row, json={"text": "x"})).headers["etag"] == '"2"'
    assert (await api.put(row, json={"text": "x"})).headers["etag"] == '"3"'
    assert (await api.patch(row, json={"text": "x"}, headers={"If-Match": '"2"'})).status_code == 412
    assert (await api.delete(row, headers={"If-Match": '"2"'})).status_code == 412
    assert (await api.delete(row)).status_code == 204


@pytest.mark.parametrize("sent", ["1", '"1', '"1" "2"', '*, "1"', ""], ids=ascii)
async def test_what_is_no_list_of_tags_is_a_bad_request(api: httpx2.AsyncClient, sent: str) -> None:
    """A malformed `If-Match` or `If-None-Match` is a 400, which tells nothing about the row."""
    row = await made(api)
    for place in (row, "/drafts/99"):
        assert (await api.patch(place, json={"text": "x"}, headers={"If-Match": sent})).status_code == 400
        assert (await api.delete(place, headers={"If-Match": sent})).status_code == 400
    answer = await api.get(row, headers={"If-None-Match": sent})
    assert answer.status_code == 400
    assert "If-None-Match" in answer.json()["detail"]


@pytest.mark.parametrize("sent", ["*", '"1"', '"9"'])
async def test_an_absent_row_has_no_version(api: httpx2.AsyncClient, sent: str) -> None:
    """A write of an absent row is a 404 whatever its `If-Match`, word for word like one of a row out of scope."""
    row = await made(api, "/mine")
    headers = {"If-Match": sent, "x-user": "2"}
    for method, body in (("PATCH", {"text": "x"}), ("PATCH", {}), ("PUT", {"text": "x"}), ("DELETE", None)):
        foreign, absent = [await api.request(method, it, json=body, headers=headers) for it in (row, "/mine/99")]
        assert (foreign.status_code, absent.status_code) == (404, 404)
        assert foreign.content == absent.content
    assert (await api.get(row)).headers["etag"] == '"1"'


async def test_a_version_need_not_be_shown(api: httpx2.AsyncClient) -> None:
    """A version that the schema of answers leaves out is in the `ETag` alone, and does its work."""
    created = await api.post("/secretive", json={"text": "new"})
    row = created.headers["location"]
    assert (created.json()["text"], created.headers["etag"]) == ("new", '"1"')
    patched = await api.patch(row, json={"text": "x"}, headers={"If-Match": '"1"'})
    assert (patched.json(), patched.headers["etag"]) == ({**created.json(), "text": "x"}, '"2"')
    assert (await api.patch(row, json={"text": "y"}, headers={"If-Match": '"1"'})).status_code == 412


@both
async def test_clients_do_not_write_versions(api: httpx2.AsyncClient, path: str) -> None:
    """A body with a version is refused, as the server counts."""
    row = await made(api, path)
    for answer in (
        await api.post(path, json={"text": "x", "version": 9}),
        await api.patch(row, json={"version": 9}, headers={"If-Match": "*"}),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "version"])


CLIENTS = 50
SECONDS = float(os.environ.get("LOST_UPDATE_SECONDS", "2"))


@pytest.mark.slow
@both
async def test_no_update_is_lost(database: Database, path: str) -> None:
    """However many clients count one number up by GET and PATCH with `If-Match`, it tells how often that was a 200.

    `LOST_UPDATE_SECONDS` makes it last longer.
    """
    await create_tables(database, Models)
    answers = Counter[int]()
    async with client(app_with(database, *ROUTERS)) as api:
        row = await made(api, path)
        end = time.monotonic() + SECONDS

        async def count_up() -> None:
            while time.monotonic() < end:
                seen = await api.get(row)
                if seen.status_code == 200:
                    body, headers = {"number": seen.json()["number"] + 1}, {"If-Match": seen.headers["etag"]}
                    seen = await api.patch(row, json=body, headers=headers)
                    answers[seen.status_code] += 1

        async with anyio.create_task_group() as tasks:
            for _ in range(CLIENTS):
                tasks.start_soon(count_up)
        last = await api.get(row)
    assert set(answers) <= {200, 412, 503}
    assert answers[200] > 0
    assert answers[412] > 0
    assert last.json()["number"] == answers[200]
    assert last.json()["version"] == answers[200] + 1


@pytest.mark.mariadb
async def test_versions_on_mariadb(mariadb: Database) -> None:
    """Where UPDATE cannot return the row, versions count, guard and tag it just the same."""
    await create_tables(mariadb, Models)
    await store(mariadb, Draft, {"id": 1, "text": "old", "version": 5})
    async with client(app_with(mariadb, *ROUTERS)) as api:
        row = await made(api, "/letters")
        assert (await api.patch(row, json={"text": "x"}, headers={"If-Match": '"1"'})).headers["etag"] == '"2"'
        assert (await api.patch(row, json={"text": "y"}, headers={"If-Match": '"1"'})).status_code == 412
        answer = await api.patch("/drafts/1", json={"text": "old"}, headers={"If-Match": '"5"'})
        assert (answer.json()["text"], answer.headers["etag"]) == ("old", '"6"')
        assert (await api.put("/drafts/1", json={"text": "z"}, headers={"If-Match": '"40000"'})).status_code == 412
        assert (await api.patch("/drafts/9", json={"text": "z"}, headers={"If-Match": "*"})).status_code == 404
        assert (await api.delete("/drafts/1", headers={"If-Match": '"6"'})).status_code == 204


@pytest.mark.parametrize("required", [True, False])
async def test_if_match_is_a_parameter_where_it_must_be_there(required: bool) -> None:
    """Where it may be left out it is told of in words."""
    app = FastAPI()
    app.include_router(CRUDRouter(Draft, prefix="/drafts", version=Version(required=required)))
    for method in ("put", "patch", "delete"):
        operation = app.openapi()["paths"]["/drafts/{id}"][method]
        named = "If-Match" in {parameter["name"] for parameter in operation["parameters"]}
        assert (named, "If-Match" in operation.get("description", "")) == (required, not required)
