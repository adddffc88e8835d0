"""Rows below others: the path names their parent, and there is nothing else for the request."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter, OperationName, Query, SoftDeletion, of_principal, set_principal
from fastapi_kit.db import READ_ONLY, Database, SoftDelete
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables, store

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Team(SoftDelete, Models):
    """The row above; its key is text."""

    __tablename__ = "team"
    code: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    owner: Mapped[int] = mapped_column(default=1, info=READ_ONLY)


class Player(SoftDelete, Models):
    """A row below a team."""

    __tablename__ = "player"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    team_code: Mapped[str | None] = mapped_column(sa.ForeignKey("team.code"))
    rival_code: Mapped[str | None] = mapped_column(sa.ForeignKey("team.code"))
    captain_of: Mapped[str | None] = mapped_column(sa.String(9), unique=True)


class Match(Models):
    """A row whose parent is a part of its key."""

    __tablename__ = "match"
    team_code: Mapped[str] = mapped_column(sa.ForeignKey("team.code"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    goals: Mapped[int] = mapped_column(default=0)


class Badge(Models):
    """A row of which a player has one at most; its parent's key is a number."""

    __tablename__ = "badge"
    id: Mapped[int] = mapped_column(primary_key=True)
    player_id: Mapped[int] = mapped_column(sa.ForeignKey("player.id"), unique=True)
    colour: Mapped[str] = mapped_column(sa.String(9), default="red")


async def as_user(request: Request) -> None:
    """Say who asks."""
    set_principal(request, int(request.headers.get("x-user", "1")))


ALL: set[OperationName] = {"list", "get", "create", "replace", "update", "delete"}
MANY: set[OperationName] = {"create_many", "update_many", "delete_many"}
MINE: dict[type[DeclarativeBase], Any] = {Team: Team.owner == of_principal(lambda user: user)}
IN_USE: dict[type[DeclarativeBase], Any] = {Team: Team.deleted_at.is_(None)}
WHO = [Depends(as_user)]
SEEN = SoftDeletion(visible_to=lambda _: True)
NESTED = "/teams/{team_code}"
ROUTERS = (
    CRUDRouter(
        Player,
        prefix=NESTED + "/players",
        parent="team_code",
        soft_delete=SEEN,
        query=Query(filter={"name": {"eq"}}),
        dependencies={"*": WHO},
    ),
    CRUDRouter(
        Player, prefix="/mine/{team_code}", parent="team_code", soft_delete=SEEN, scope=MINE, dependencies={"*": WHO}
    ),
    CRUDRouter(Match, prefix=NESTED + "/matches", parent="team_code", routes={*ALL, *MANY}),
    CRUDRouter(Match, prefix="/active/{team_code}", parent="team_code", scope=IN_USE, dependencies={"*": WHO}),
    CRUDRouter(Badge, prefix="/players/{player_id}/badges", parent="player_id", routes={*ALL, "create_many"}),
    CRUDRouter(Player, prefix="/captains/{captain_of}", parent="captain_of", soft_delete="deleted_at"),
)


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the app, which has two teams of different owners."""
    await create_tables(database, Models)
    await store(database, Team, {"code": "red", "owner": 1}, {"code": "blü", "owner": 2})
    async with client(app_with(database, *ROUTERS)) as api:
        yield api


async def test_a_row_is_made_below_its_parent(api: httpx2.AsyncClient) -> None:
    """POST writes the parent of the path, and answers where the row is below it."""
    made = await api.post("/teams/blü/players", json={"name": "a"})
    assert (made.status_code, made.json()["team_code"]) == (201, "blü")
    assert made.headers["location"] == f"/teams/bl%C3%BC/players/{made.json()['id']}"
    assert (await api.get(made.headers["location"])).json() == made.json()


async def test_the_rows_of_another_parent_are_not_there(api: httpx2.AsyncClient) -> None:
    """Lists have the parent's rows alone, and every operation on another's row is a 404, as if there were none."""
    own = (await api.post("/teams/red/players", json={"name": "a"})).json()["id"]
    assert (await api.post("/teams/blü/players", json={"name": "b"})).status_code == 201
    listed = (await api.get("/teams/red/players?count=exact")).json()
    assert ([item["id"] for item in listed["items"]], listed["total"]) == ([own], 1)
    assert (await api.get("/teams/red/players?name=b")).json()["items"] == []
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("PATCH", "", {}),
        ("PUT", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
    ):
        foreign = await api.request(method, f"/teams/blü/players/{own}{path}", json=body)
        absent = await api.request(method, f"/teams/blü/players/99{path}", json=body)
        assert (foreign.status_code, foreign.content) == (404, absent.content)
    assert (await api.get(f"/teams/red/players/{own}")).json()["name"] == "a"


async def test_the_rows_of_the_parent_are_there(api: httpx2.AsyncClient) -> None:
    """Every operation on a row below its own parent is done."""
    row = (await api.post("/teams/red/players", json={"name": "a"})).headers["location"]
    assert (await api.patch(row, json={"name": "b"})).json()["name"] == "b"
    assert (await api.put(row, json={"name": "c"})).json()["team_code"] == "red"
    assert (await api.delete(row)).status_code == 204
    assert (await api.get(row)).status_code == 404
    assert (await api.get(f"{row}?deleted=only")).status_code == 200
    assert (await api.post(f"{row}/restore")).json()["team_code"] == "red"


async def test_an_absent_parent_has_no_rows(api: httpx2.AsyncClient) -> None:
    """Below a parent that is not there lists and POST are a 404; an empty list of one that is there is a 200."""
    assert (await api.get("/teams/red/players")).json()["items"] == []
    for code in ("green", "much-too-long-a-code"):
        assert (await api.get(f"/teams/{code}/players")).status_code == 404
        assert (await api.get(f"/teams/{code}/players?name=x&count=exact")).status_code == 404
        assert (await api.post(f"/teams/{code}/players", json={"name": "a"})).status_code == 404
        assert (await api.get(f"/teams/{code}/players/1")).status_code == 404


@pytest.mark.parametrize("key", ["x", "1.5", "99999999999", "-1", "0x1", "%20", "null"])
async def test_what_is_no_key_of_a_parent_is_absent(api: httpx2.AsyncClient, key: str) -> None:
    """A segment of another type than the parent's key leads nowhere: every operation is a 404."""
    requests: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("GET", "/1", None),
        ("POST", "", {}),
        ("POST", "/bulk", [{}]),
        ("PATCH", "/1", {"colour": "x"}),
        ("DELETE", "/1", None),
    ]
    for method, path, body in requests:
        assert (await api.request(method, f"/players/{key}/badges{path}", json=body)).status_code == 404


async def test_the_body_has_no_parent(api: httpx2.AsyncClient) -> None:
    """The path has told the parent, so a body that tells one is a 422, even the same."""
    row = (await api.post("/teams/red/players", json={"name": "a"})).headers["location"]
    for method, url in (("POST", "/teams/red/players"), ("PATCH", row), ("PUT", row)):
        answer = await api.request(method, url, json={"name": "a", "team_code": "red"})
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "team_code"])


async def test_only_an_absent_parent_is_absent(api: httpx2.AsyncClient) -> None:
    """Another reference that leads nowhere is a 409 of its field, and so is a parent that has its one row already."""
    astray = await api.post("/teams/red/players", json={"name": "a", "rival_code": "green"})
    assert (astray.status_code, astray.json()["fields"]) == (409, ["rival_code"])
    player = (await api.post("/teams/red/players", json={"name": "a"})).json()["id"]
    assert (await api.post(f"/players/{player}/badges", json={})).status_code == 201
    bodies: list[tuple[str, Any]] = [("", {}), ("/bulk", [{}])]
    for path, body in bodies:
        second = await api.post(f"/players/{player}/badges{path}", json=body)
        assert (second.status_code, second.json()["violation"]) == (409, "unique")


async def test_a_parent_out_of_scope_is_absent(api: httpx2.AsyncClient) -> None:
    """Whoever may not see the parent sees nothing below it, and makes nothing there."""
    made = await api.post("/mine/red", json={"name": "a"})
    row = made.headers["location"]
    assert made.status_code == 201
    other = {"x-user": "2"}
    for method, url, body in (
        ("GET", "/mine/red", None),
        ("GET", "/mine/red?deleted=include", None),
        ("POST", "/mine/red", {"name": "b"}),
        ("GET", row, None),
        ("PATCH", row, {"name": "x"}),
        ("PUT", row, {"name": "x"}),
        ("DELETE", row, None),
        ("POST", f"{row}/restore", None),
    ):
        assert (await api.request(method, url, json=body, headers=other)).status_code == 404
    assert (await api.get("/mine/blü", headers=other)).json()["items"] == []
    assert [item["name"] for item in (await api.get("/mine/red")).json()["items"]] == ["a"]


async def test_a_parent_out_of_use_is_absent_by_its_scope(api: httpx2.AsyncClient, database: Database) -> None:
    """A scope of the parent's model hides what is below a deleted parent."""
    assert (await api.post("/active/red", json={"number": 1})).status_code == 201
    await database.run(lambda connection: connection.execute(sa.update(Team).values(deleted_at=sa.func.now())))
    assert (await api.get("/active/red")).status_code == 404
    assert (await api.get("/active/red/1")).status_code == 404
    assert (await api.post("/active/red", json={"number": 2})).status_code == 404


async def test_a_parent_may_be_a_part_of_the_key(api: httpx2.AsyncClient) -> None:
    """Below the parent, the rest of the key names a row: in paths, in `Location` and in bulk writes."""
    made = await api.post("/teams/red/matches", json={"number": 3})
    assert (made.status_code, made.headers["location"]) == (201, "/teams/red/matches/3")
    assert (await api.post("/teams/blü/matches", json={"number": 3})).status_code == 201
    assert (await api.post("/teams/red/matches", json={"number": 3})).json()["fields"] == ["team_code", "number"]
    assert (await api.get("/teams/red/matches/3")).json() == {"team_code": "red", "number": 3, "goals": 0}
    assert (await api.patch("/teams/red/matches/3", json={"goals": 1})).json()["goals"] == 1
    assert (await api.put("/teams/red/matches/3", json={"goals": 2})).json()["goals"] == 2
    assert (await api.patch("/teams/red/matches", json=[{"number": 3, "goals": 5}])).json()[0]["goals"] == 5
    assert (await api.post("/teams/red/matches/bulk", json=[{"number": 2}, {"number": 1}])).status_code == 201
    listed = (await api.get("/teams/red/matches")).json()["items"]
    assert [(item["number"], item["goals"]) for item in listed] == [(1, 0), (2, 0), (3, 5)]
    assert (await api.delete("/teams/red/matches?number=1&number=2")).status_code == 204
    assert (await api.delete("/teams/red/matches/3")).status_code == 204
    assert (await api.get("/teams/blü/matches/3")).json()["goals"] == 0
    assert (await api.post("/teams/green/matches", json={"number": 1})).status_code == 404


async def test_a_parent_need_be_no_row(api: httpx2.AsyncClient) -> None:
    """Where the column refers to no table, every value has its rows, maybe none."""
    assert (await api.get("/captains/anybody")).json()["items"] == []
    assert (await api.post("/captains/anybody", json={"name": "a"})).json()["captain_of"] == "anybody"
    second = await api.post("/captains/anybody", json={"name": "b"})
    assert (second.status_code, second.json()["fields"]) == (409, ["captain_of"])


async def test_pages_stay_below_the_parent(api: httpx2.AsyncClient) -> None:
    """The cursor of a list below one parent, used below another, gives rows of the latter alone."""
    for code in ("red", "blü"):
        for name in "abc":
            assert (await api.post(f"/teams/{code}/players", json={"name": name})).status_code == 201
    page = (await api.get("/teams/red/players?limit=2")).json()
    rest = (await api.get(f"/teams/red/players?limit=2&cursor={page['next_cursor']}")).json()
    assert [item["name"] for item in (*page["items"], *rest["items"])] == ["a", "b", "c"]
    elsewhere = (await api.get(f"/teams/blü/players?cursor={page['next_cursor']}")).json()
    assert {item["team_code"] for item in elsewhere["items"]} == {"blü"}
