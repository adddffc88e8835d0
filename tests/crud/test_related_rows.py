"""Included rows of every kind: of the same table, of composite keys, to one from either side, in scope or not."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import date
from itertools import product
from typing import Any
from uuid import UUID

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_kit.crud import TEXT, CRUDRouter, Many, One, Query, ResourceError, SoftDeletion, set_principal
from fastapi_kit.db import Database, SoftDelete
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables, store

pytestmark = pytest.mark.anyio


class House(DeclarativeBase):
    """A registry for these tests alone."""


class Room(House):
    """A row that two columns name, of types that databases store in their own ways, and that is below another."""

    __tablename__ = "room"
    building: Mapped[UUID] = mapped_column(sa.Uuid, primary_key=True)
    opened: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    size: Mapped[int | None]
    above_building: Mapped[UUID | None] = mapped_column(sa.Uuid)
    above_opened: Mapped[date | None] = mapped_column(sa.Date)
    above: Mapped["Room | None"] = relationship(remote_side="[Room.building, Room.opened]", back_populates="below")
    below: Mapped[list["Room"]] = relationship(back_populates="above")
    desks: Mapped[list["Desk"]] = relationship()
    lamp: Mapped["Lamp | None"] = relationship()
    __table_args__ = (sa.ForeignKeyConstraint(["above_building", "above_opened"], ["room.building", "room.opened"]),)


class _InRoom:
    """Columns that refer to a room."""

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    building: Mapped[UUID] = mapped_column(sa.Uuid)
    opened: Mapped[date] = mapped_column(sa.Date)


class Desk(_InRoom, House):
    """One of many in a room."""

    __tablename__ = "desk"
    height: Mapped[int | None]
    __table_args__ = (sa.ForeignKeyConstraint(["building", "opened"], ["room.building", "room.opened"]),)


class Lamp(_InRoom, House):
    """The only one in its room."""

    __tablename__ = "lamp"
    __table_args__ = (
        sa.ForeignKeyConstraint(["building", "opened"], ["room.building", "room.opened"]),
        sa.UniqueConstraint("opened", "building"),
    )


Row = Mapping[str, Any]
Rows = Sequence[Row]
KEYS = [(UUID(int=number), date(2024, 1, day)) for number, day in product((1, 2**127), (1, 2))]


def at(key: tuple[UUID, date], prefix: str = "") -> dict[str, Any]:
    """The columns of a room's key."""
    return {f"{prefix}building": key[0], f"{prefix}opened": key[1]}


@st.composite
def houses(draw: st.DrawFn) -> tuple[Rows, Rows, Rows]:
    """Some rooms, desks and lamps."""
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=4))
    if not keys:
        return [], [], []
    rooms: list[Row] = []
    for key in keys:
        above = draw(st.none() | st.sampled_from(keys))
        size = draw(st.none() | st.integers(0, 1))
        above_key = {"above_building": None, "above_opened": None} if above is None else at(above, "above_")
        rooms.append({**at(key), "size": size, **above_key})
    places = draw(st.lists(st.tuples(st.sampled_from(keys), st.none() | st.integers(0, 2)), max_size=8))
    desks = [{"id": number, **at(key), "height": height} for number, (key, height) in enumerate(places)]
    lamps = [{"id": number, **at(key)} for number, key in enumerate(draw(st.lists(st.sampled_from(keys), unique=True)))]
    return rooms, desks, lamps


async def nobody(request: Request) -> None:
    """Anybody may ask."""
    set_principal(request, None)


def rooms_at(prefix: str, **options: Any) -> CRUDRouter[Room]:
    """Rooms, with all that belongs to them."""
    related: dict[str, One | Many] = {"above": One(), "below": Many(limit=1), "lamp": One()}
    related["desks"] = Many(limit=2, sort="-height")
    return CRUDRouter(Room, prefix=prefix, routes={"list", "get"}, include=related, **options)


_t = Room.__table__.c
SMALL = {
    "attribute": sa.func.coalesce(Room.size, 0) == 0,
    "column": sa.func.coalesce(_t.size, 0) == 0,
    "subquery": sa.tuple_(_t.building, _t.opened).not_in(sa.select(_t.building, _t.opened).where(_t.size != 0)),
}
"""Ways to say which rooms there are under these prefixes."""


@pytest.fixture
async def house(database: Database) -> AsyncGenerator[tuple[httpx2.AsyncClient, Database]]:
    """Rooms, from empty tables."""
    await create_tables(database, House)
    anybody: Any = {"*": [Depends(nobody)]}
    small = [rooms_at(f"/{form}", scope=scope, dependencies=anybody) for form, scope in SMALL.items()]
    async with client(app_with(database, rooms_at("/rooms"), *small)) as api:
        yield api, database


async def settle(database: Database, *tables: tuple[type[House], Rows]) -> None:
    """Store these rows and no others."""
    async with database.engine.begin() as connection:
        for model, _ in tables[::-1]:
            await connection.execute(sa.delete(model))
        for model, rows in tables:
            if rows:  # in one statement, as rooms refer to each other
                await connection.execute(sa.insert(model).values([dict(row) for row in rows]))


def shown(row: Row) -> dict[str, Any]:
    """A row as its JSON shows it."""
    return {name: str(value) if isinstance(value, UUID | date) else value for name, value in row.items()}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stored=houses(),
    included=st.lists(st.sampled_from(["above", "below", "desks", "lamp"]), unique=True),
    form=st.sampled_from(sorted(SMALL)),
)
async def test_included_rows_are_what_python_finds(
    house: tuple[httpx2.AsyncClient, Database], stored: tuple[Rows, Rows, Rows], included: list[str], form: str
) -> None:
    """Law: rows of the same table, of composite keys, to one and to many, are those of an oracle, in order."""
    api, database = house
    rooms, desks, lamps = stored
    await settle(database, (Room, rooms), (Desk, desks), (Lamp, lamps))

    def expected(room: Row, known: Rows) -> dict[str, Any]:
        related = {
            "above": [it for it in known if key_of(it) == key_of(room, "above_")],
            "below": in_order([it for it in known if key_of(it, "above_") == key_of(room)], key_of)[:1],
            "desks": in_order([it for it in desks if key_of(it) == key_of(room)], by_height)[:2],
            "lamp": [it for it in lamps if key_of(it) == key_of(room)],
        }
        lists = {name: [shown(it) for it in related[name]] for name in included}
        return shown(room) | {
            name: it if name in {"below", "desks"} else next(iter(it), None) for name, it in lists.items()
        }

    asked = f"?include={','.join(included)}" if included else ""
    small = [room for room in rooms if not room["size"]]
    for path, known in (("/rooms", rooms), (f"/{form}", small)):
        page = (await api.get(path + asked)).json()
        assert page["items"] == [expected(room, known) for room in in_order(known, key_of)]
        for room in known:
            one = await api.get(f"{path}/{room['building']}/{room['opened']}{asked}")
            assert one.json() == expected(room, known)


def key_of(row: Row, prefix: str = "") -> Any:
    """The key of a room, or of the one that a row is in."""
    return row[f"{prefix}building"], row[f"{prefix}opened"]


def by_height(desk: Row) -> Any:
    """From the highest down, null being higher than any value, and then by key."""
    return desk["height"] is not None, -(desk["height"] or 0), desk["id"]


def in_order(rows: Rows, order: Callable[[Row], Any]) -> Rows:
    """Rows, sorted."""
    return sorted(rows, key=order)


class Tree(DeclarativeBase):
    """A registry for these tests alone."""


class Node(SoftDelete, Tree):
    """A row that is related to others of its own table, and may be out of use."""

    __tablename__ = "node"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(8))
    up_id: Mapped[int | None] = mapped_column(sa.ForeignKey("node.id"))
    up: Mapped["Node | None"] = relationship(remote_side="Node.id", back_populates="down")
    down: Mapped[list["Node"]] = relationship(back_populates="up")


async def test_a_deleted_row_is_not_related_either(database: Database) -> None:
    """A row of the same model that GET does not find is not included or asked about, unless deleted ones are meant."""
    await create_tables(database, Tree)
    await store(database, Node, {"id": 1, "name": "root"})
    await store(database, Node, {"id": 2, "name": "leaf", "up_id": 1}, {"id": 3, "name": "gone", "up_id": 2})
    router = CRUDRouter(
        Node,
        prefix="/nodes",
        include={"up": One(), "down": Many()},
        query=Query(filter={"up.name": TEXT, "down.name": TEXT}, sparse=True, default_sort="id"),
        soft_delete=SoftDeletion("deleted_at", visible_to=lambda _: True),
        dependencies={"*": [Depends(nobody)]},
    )
    async with client(app_with(database, router)) as api:
        for key in (1, 3):
            assert (await api.delete(f"/nodes/{key}")).status_code == 204

        async def items(query: str) -> Any:
            return (await api.get(f"/nodes?fields=id&{query}")).json()["items"]

        assert await items("include=up,down") == [{"id": 2, "up": None, "down": []}]
        assert (await api.get("/nodes/2?fields=id&include=up")).json() == {"id": 2, "up": None}
        assert await items("up.name=root") == await items("down.name=gone") == []
        (leaf,) = await items("up.name=root&down.name=gone&include=up,down&deleted=include")
        assert (leaf["up"]["id"], [below["id"] for below in leaf["down"]]) == (1, [3])


class Loose(DeclarativeBase):
    """A registry for these tests alone."""


class Owner(Loose):
    """A row that says that there is one pet."""

    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    pet: Mapped["Pet | None"] = relationship()


class Pet(Loose):
    """A row of which there may be two for all that the database knows."""

    __tablename__ = "pet"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("owner.id"))


def test_one_row_must_be_one() -> None:
    """Where a joined row could come twice, and the row with it, the router is refused, and the cure named."""
    with pytest.raises(ResourceError) as raised:
        CRUDRouter(Owner, prefix="/owners", include={"pet": One()})
    assert str(raised.value) == (
        "pet: more than one Pet could belong to a Owner: give pet a unique constraint on owner_id, or make the "
        "relationship a list and include it by Many"
    )
