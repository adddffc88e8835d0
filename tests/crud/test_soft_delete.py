"""Soft deletion: rows that are out of use are out of sight, may come back, and are shown to whom they may be shown."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_kit.crud import CRUDRouter, Many, Query, SoftDeletion, Version, of_principal, set_principal
from fastapi_kit.db import READ_ONLY, Database, SoftDelete
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Folder(SoftDelete, Models):
    """A row that others refer to."""

    __tablename__ = "folder"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    files: Mapped[list["File"]] = relationship()


class File(SoftDelete, Models):
    """A row whose name is unique among those in use."""

    __tablename__ = "file"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    size: Mapped[int] = mapped_column(default=0)
    owner: Mapped[int] = mapped_column(default=1, info=READ_ONLY)
    version: Mapped[int] = mapped_column(default=1, info=READ_ONLY)
    folder_id: Mapped[int | None] = mapped_column(sa.ForeignKey("folder.id"))
    __table_args__ = (
        sa.Index(
            "file_name_in_use",
            "name",
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
    )


async def as_user(request: Request) -> None:
    """Say who asks; an admin sees what is deleted."""
    set_principal(request, request.headers.get("x-user", "user"))


WHO = [Depends(as_user)]
SEEN = SoftDeletion(visible_to=lambda user: user == "admin")
ADMIN = {"x-user": "admin"}
QUERY = Query(filter={"name": {"eq"}}, count="exact")


ROUTERS = (
    CRUDRouter(File, prefix="/files", soft_delete="deleted_at", query=QUERY),
    CRUDRouter(File, prefix="/seen", soft_delete=SEEN, dependencies={"*": WHO}, query=QUERY),
    CRUDRouter(File, prefix="/counted", soft_delete="deleted_at", version=Version(required=False)),
    CRUDRouter(File, prefix="/strict", soft_delete="deleted_at", version="version"),
    CRUDRouter(
        Folder,
        prefix="/folders",
        soft_delete="deleted_at",
        include={"files": Many()},
        scope={File: File.deleted_at.is_(None)},
        dependencies={"*": WHO},
    ),
    CRUDRouter(
        File,
        prefix="/mine",
        soft_delete=SEEN,
        scope=File.owner == of_principal(lambda user: {"user": 1}.get(user, 2)),
        dependencies={"*": WHO},
    ),
)
"""Files for all, for those who may see what is deleted, with versions, and with an owner; and their folders."""


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the app."""
    await create_tables(database, Models)
    async with client(app_with(database, *ROUTERS)) as api:
        yield api


async def made(api: httpx2.AsyncClient, name: str = "a", **values: Any) -> int:
    """The key of a new file."""
    answer = await api.post("/files", json={"name": name, **values})
    assert answer.status_code == 201
    key: int = answer.json()["id"]
    return key


async def deleted(api: httpx2.AsyncClient, name: str = "a") -> int:
    """The key of a file that is out of use."""
    key = await made(api, name)
    assert (await api.delete(f"/files/{key}")).status_code == 204
    return key


async def listed(api: httpx2.AsyncClient, url: str, headers: dict[str, str] | None = None) -> tuple[list[int], int]:
    """The keys of a list, and its total."""
    body = (await api.get(url, headers=headers)).json()
    return [item["id"] for item in body["items"]], body["total"]


async def test_a_deleted_row_is_nowhere(api: httpx2.AsyncClient) -> None:
    """After DELETE a row is in no list, no total and no filter, and GET, PATCH, PUT and DELETE are 404."""
    key, kept = await deleted(api), await made(api, "b")
    assert await listed(api, "/files") == ([kept], 1)
    assert await listed(api, "/files?name=a") == ([], 0)
    for method, body in (
        ("GET", None),
        ("PATCH", {"size": 1}),
        ("PATCH", {}),
        ("PUT", {"name": "c"}),
        ("DELETE", None),
    ):
        answer = await api.request(method, f"/files/{key}", json=body)
        absent = await api.request(method, "/files/99", json=body)
        assert (answer.status_code, answer.content) == (404, absent.content)


async def test_a_deleted_row_is_kept(api: httpx2.AsyncClient, database: Database) -> None:
    """DELETE writes the instant of the deletion, and nothing else."""
    before = datetime.now(UTC)
    key = await deleted(api)
    row = (await database.run(lambda c: c.execute(sa.select(File.name, File.deleted_at).where(File.id == key)))).one()
    assert row.name == "a"
    assert row.deleted_at is not None
    assert timedelta(0) <= row.deleted_at - before < timedelta(minutes=1)


async def test_related_rows_are_hidden_by_their_scope(api: httpx2.AsyncClient) -> None:
    """What is included leaves out deleted rows where a scope of their model says so."""
    folder = (await api.post("/folders", json={"name": "f"})).json()["id"]
    key, kept = await made(api, "a", folder_id=folder), await made(api, "b", folder_id=folder)
    await api.delete(f"/files/{key}")
    files = (await api.get(f"/folders/{folder}?include=files")).json()["files"]
    assert [file["id"] for file in files] == [kept]


async def test_a_deleted_row_comes_back(api: httpx2.AsyncClient) -> None:
    """POST to `restore` answers the row as it was, and it is in use again."""
    key = await deleted(api)
    answer = await api.post(f"/files/{key}/restore")
    assert (answer.status_code, answer.json()["name"], answer.json()["deleted_at"]) == (200, "a", None)
    assert (await api.get(f"/files/{key}")).json() == answer.json()
    assert await listed(api, "/files") == ([key], 1)


async def test_a_row_in_use_may_be_restored(api: httpx2.AsyncClient) -> None:
    """Restoring a row that is in use answers it as it is; an absent one is a 404."""
    key = await made(api)
    row = await api.get(f"/files/{key}")
    answer = await api.post(f"/files/{key}/restore")
    assert (answer.status_code, answer.json()) == (200, row.json())
    assert (await api.post("/files/99/restore")).status_code == 404
    assert (await api.post(f"/files/{key}/restore?deleted=only")).status_code == 422


async def test_a_row_comes_back_only_if_its_place_is_free(api: httpx2.AsyncClient) -> None:
    """A name that another row has taken meanwhile makes `restore` a 409 that names it, and both rows stay."""
    key = await deleted(api)
    taken = await made(api)
    answer = await api.post(f"/files/{key}/restore")
    assert answer.status_code == 409
    assert (answer.json()["violation"], answer.json()["fields"]) == ("unique", ["name"])
    assert await listed(api, "/files") == ([taken], 1)
    assert await listed(api, "/seen?deleted=only", ADMIN) == ([key], 1)


async def test_clients_do_not_delete_by_writing(api: httpx2.AsyncClient) -> None:
    """A body with the column of the deletion is refused."""
    key = await made(api)
    for method, url in (("POST", "/files"), ("PATCH", f"/files/{key}"), ("PUT", f"/files/{key}")):
        answer = await api.request(method, url, json={"name": "a", "deleted_at": None})
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "deleted_at"])


@pytest.mark.parametrize(
    ("mode", "shown"),
    [("exclude", ["b"]), ("include", ["a", "b"]), ("only", ["a"])],
    ids=["exclude", "include", "only"],
)
async def test_those_who_may_see_deleted_rows_do(api: httpx2.AsyncClient, mode: str, shown: list[str]) -> None:
    """`deleted=` chooses which rows are listed, counted and got; without it deleted ones are hidden from all."""
    keys = {"a": await deleted(api, "a"), "b": await made(api, "b")}
    assert await listed(api, f"/seen?deleted={mode}", ADMIN) == ([keys[name] for name in shown], len(shown))
    assert await listed(api, "/seen", ADMIN) == ([keys["b"]], 1)
    for name, key in keys.items():
        answer = await api.get(f"/seen/{key}?deleted={mode}", headers=ADMIN)
        assert answer.status_code == (200 if name in shown else 404)


async def test_others_may_not_see_deleted_rows(api: httpx2.AsyncClient) -> None:
    """`deleted=include` and `only` are 403 for whom they are not meant; `exclude`, the default, is for all."""
    key = await deleted(api)
    for mode, status in (("include", 403), ("only", 403), ("exclude", 200)):
        assert (await api.get(f"/seen?deleted={mode}")).status_code == status
        assert (await api.get(f"/seen/{key}?deleted={mode}")).status_code == (status if status == 403 else 404)
    assert (await api.get("/seen?deleted=all", headers=ADMIN)).status_code == 422
    assert (await api.get("/seen?deleted=only&deleted=only", headers=ADMIN)).status_code == 422


async def test_where_nobody_may_see_them_there_is_no_parameter(api: httpx2.AsyncClient) -> None:
    """Without `visible_to`, `deleted` is an unknown parameter of lists and rows."""
    key = await made(api)
    assert (await api.get("/files?deleted=exclude")).status_code == 422
    assert (await api.get(f"/files/{key}?deleted=include")).status_code == 422


async def test_nobody_must_be_somebody(database: Database) -> None:
    """Where visibility depends on who asks, a request of which nobody has said that is a 401."""
    await create_tables(database, Models)
    async with client(app_with(database, CRUDRouter(File, prefix="/files", soft_delete=SEEN))) as api:
        assert (await api.get("/files?deleted=only")).status_code == 401


async def test_a_deleted_row_is_in_scope_or_not(api: httpx2.AsyncClient) -> None:
    """Seeing deleted rows widens no scope, and nobody restores what is another's."""
    key = await deleted(api)
    assert await listed(api, "/mine?deleted=include&count=exact", ADMIN) == ([], 0)
    assert (await api.get(f"/mine/{key}?deleted=include", headers=ADMIN)).status_code == 404
    assert (await api.post(f"/mine/{key}/restore", headers=ADMIN)).status_code == 404
    assert (await api.post(f"/mine/{key}/restore")).status_code == 200


async def test_deletion_and_restoration_are_changes(api: httpx2.AsyncClient) -> None:
    """DELETE and `restore` count the version up, and each takes the version that is meant."""
    key = await made(api)
    assert (await api.delete(f"/counted/{key}")).status_code == 204
    restored = await api.post(f"/counted/{key}/restore")
    assert (restored.headers["etag"], restored.json()["version"]) == ('"3"', 3)
    assert (await api.post(f"/counted/{key}/restore")).headers["etag"] == '"3"'


async def test_a_restoration_takes_the_version_that_is_meant(api: httpx2.AsyncClient) -> None:
    """`restore` is a 428 without `If-Match` and a 412 with another version, whether the row is deleted or not."""
    key = await made(api)
    row, restore = f"/strict/{key}", f"/strict/{key}/restore"
    assert (await api.post(restore, headers={"If-Match": '"2"'})).status_code == 412
    assert (await api.post(restore, headers={"If-Match": '"1"'})).headers["etag"] == '"1"'
    assert (await api.delete(row, headers={"If-Match": '"1"'})).status_code == 204
    assert (await api.post(restore)).status_code == 428
    assert (await api.post(restore, headers={"If-Match": '"1"'})).status_code == 412
    assert (await api.post(restore, headers={"If-Match": '"2"'})).headers["etag"] == '"3"'
    assert (await api.delete(row, headers={"If-Match": '"2"'})).status_code == 412


async def test_a_parent_out_of_use_is_still_referred_to(api: httpx2.AsyncClient) -> None:
    """Soft deletion of a row that others refer to violates nothing."""
    folder = (await api.post("/folders", json={"name": "f"})).json()["id"]
    key = await made(api, "a", folder_id=folder)
    assert (await api.delete(f"/folders/{folder}")).status_code == 204
    assert (await api.get(f"/files/{key}")).json()["folder_id"] == folder


@pytest.mark.mariadb
async def test_soft_deletion_on_mariadb(mariadb: Database) -> None:
    """A row goes out of use and comes back on MariaDB as elsewhere."""
    await create_tables(mariadb, Folder)
    async with client(app_with(mariadb, *ROUTERS)) as api:
        folder = (await api.post("/folders", json={"name": "f"})).json()["id"]
        assert (await api.delete(f"/folders/{folder}")).status_code == 204
        assert (await api.get(f"/folders/{folder}")).status_code == 404
        assert (await api.delete(f"/folders/{folder}")).status_code == 404
        for _ in range(2):
            restored = await api.post(f"/folders/{folder}/restore")
            assert (restored.status_code, restored.json()["deleted_at"]) == (200, None)
        assert (await api.post("/folders/99/restore")).status_code == 404
