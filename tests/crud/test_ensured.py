"""Writes that see by themselves whether their row is in scope: they do what the long way does."""

import enum
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from fastapi_kit.crud import CRUDRouter, of_principal, set_principal
from fastapi_kit.crud import _writer as writer
from fastapi_kit.crud._ensured import can_be_ensured
from fastapi_kit.db import READ_ONLY, Base, Database
from fastapi_kit.errors import ForbiddenError
from fastapi_kit.schemas import Schema, partial
from fastapi_kit.testing import client
from tests.crud.counting import Statements
from tests.crud.library import app_with, create_tables, store

pytestmark = pytest.mark.anyio


class Things(DeclarativeBase):
    """A registry for these tests alone."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Level(enum.Enum):
    """Stored by name."""

    LOW = "low"
    HIGH = "high"


class Thing(Things):
    """A row whose values are often not stored as they are given."""

    __tablename__ = "thing"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    slug: Mapped[str] = mapped_column(sa.String(9), unique=True)
    code: Mapped[str] = mapped_column(sa.String(4))
    padded: Mapped[str] = mapped_column(sa.CHAR(4))
    nocase: Mapped[str] = mapped_column(sa.String(9).with_variant(sa.String(9, collation="NOCASE"), "sqlite"))
    price: Mapped[Decimal] = mapped_column(sa.Numeric(5, 2))
    ratio: Mapped[float]
    flag: Mapped[bool]
    day: Mapped[date | None]
    level: Mapped[Level]
    size: Mapped[int] = mapped_column(default=lambda: 3)
    double: Mapped[int] = mapped_column(sa.Computed("size * 2", persisted=True))
    note: Mapped[str] = mapped_column(sa.String(9), server_default="made")
    edits: Mapped[int | None] = mapped_column(onupdate=1, info=READ_ONLY)


class Change(Schema):
    """A body that lets through what the columns may not take as it is."""

    slug: str
    code: str
    padded: str
    nocase: str
    price: Decimal
    ratio: float
    flag: bool
    day: date | None
    level: Level
    size: int = 3
    note: str = "made"


class New(Change):
    """The same with the key."""

    id: int


TEXTS = ["", "a", "A", "a ", "a   ", " a", "ab", "abcd", "é"]
VALUES: Mapping[str, list[Any]] = {
    "code": TEXTS,
    "padded": TEXTS,
    "nocase": TEXTS,
    "price": ["0", "1", "-0.00", "1.00", "1.01", "999.99"],
    "ratio": [0.0, 1.0, -0.0, 0.1, 16_777_217.0, 1e300],
    "flag": [False, True],
    "day": ["2024-02-29", "0001-01-01", None],
    "level": ["low", "high"],
    "size": [0, 3, 1, 2_147_483_647],
    "note": ["Made", "made", "x"],
}
"""What bodies hold, by column."""
COMPARED: Mapping[str, list[Any]] = {
    **VALUES,
    "price": [Decimal(it) for it in VALUES["price"]],
    "day": [date(2024, 2, 29), date(1, 1, 1)],
    "level": [Level.HIGH, Level.LOW],
    "double": [0, 6, 2],
    "edits": [1, 2],
}
"""What scopes compare columns with; the second value is that of the rows that are there."""
OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": lambda column, value: column == value,
    "ne": lambda column, value: column != value,
    "lt": lambda column, value: column < value,
    "gte": lambda column, value: column >= value,
    "in": lambda column, value: column.in_([value]),
    "of_principal": lambda column, value: column == of_principal(lambda _: value),
    "null": lambda column, _: column.is_(None),
    "equal to another": lambda column, value: sa.case((column == value, Thing.double), else_=0) == Thing.size * 2,
}


@st.composite
def comparisons(draw: st.DrawFn) -> sa.ColumnElement[bool]:
    """A column, beside a value."""
    name = draw(st.sampled_from(sorted(COMPARED)))
    value = draw(st.sampled_from(COMPARED[name]) | st.just(COMPARED[name][1]))
    orders = sorted(OPERATORS) if name not in {"flag", "level"} else ["eq", "in", "ne", "null", "of_principal"]
    condition: sa.ColumnElement[bool] = OPERATORS[draw(st.sampled_from(orders))](getattr(Thing, name), value)
    return condition


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The contrary of a condition, both of two, or either."""
    pairs = st.tuples(inner, inner)
    return inner.map(sa.not_) | pairs.map(lambda both: sa.and_(*both)) | pairs.map(lambda both: sa.or_(*both))


SCOPES = st.recursive(comparisons() | st.sampled_from([sa.true(), sa.false()]), combined, max_leaves=4)
BODIES = st.fixed_dictionaries(
    {
        "slug": st.sampled_from(["free", "free", "free", "second"]),
        **{name: st.sampled_from(values) for name, values in VALUES.items() if name not in {"size", "note"}},
    },
    optional={name: st.sampled_from(VALUES[name]) for name in ("size", "note")},
)


@dataclass(frozen=True)
class Call:
    """A write of one row."""

    method: str
    key: int
    body: Mapping[str, Any]


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """A create, replace or update, be the key or the slug taken or not."""
    method, body = draw(st.sampled_from(["POST", "PUT", "PATCH"])), draw(BODIES)
    key = draw(st.sampled_from([3, 3, 3, 1] if method == "POST" else [1, 1, 1, 3]))
    if method == "PATCH":
        body = {name: body[name] for name in draw(st.sets(st.sampled_from(sorted(body)), min_size=1))}
    return Call(method, key, body)


async def user(request: Request) -> None:
    """Whoever asks, it is about the scope that the test has put in place."""
    set_principal(request, request.app.state.condition)


class Place:
    """An app with things, and the database behind it."""

    def __init__(self, database: Database, app: FastAPI, api: httpx2.AsyncClient) -> None:
        self._database, self._app, self._api = database, app, api

    async def refill(self) -> None:
        """Have two things, and no others."""
        async with self._database.engine.begin() as connection:
            await connection.execute(sa.delete(Thing))
        await store(self._database, Thing, {**FIRST, "id": 1}, {**FIRST, "id": 2, "slug": "second", "code": "b"})

    async def ask(self, scope: sa.ColumnElement[bool], call: Call) -> httpx2.Response:
        """The answer to somebody with this scope."""
        self._app.state.condition = scope
        new = call.method == "POST"
        path, body = ("/things", {**call.body, "id": call.key}) if new else (f"/things/{call.key}", dict(call.body))
        return await self._api.request(call.method, path, json=body)

    async def outcome(self, scope: sa.ColumnElement[bool], call: Call) -> Any:
        """What is answered, and what is stored then, where there were two things before."""
        await self.refill()
        answer = await self.ask(scope, call)
        async with self._database.engine.connect() as connection:
            rows = (await connection.execute(sa.select(Thing.__table__).order_by(Thing.id))).all()
        return answer.status_code, answer.content, dict(answer.headers), rows


FIRST: Mapping[str, Any] = {
    "slug": "first",
    "code": "a",
    "padded": "a",
    "nocase": "a",
    "price": Decimal(1),
    "ratio": 1.0,
    "flag": True,
    "day": None,
    "level": Level.LOW,
}


@asynccontextmanager
async def place_on(database: Database) -> AsyncGenerator[Place]:
    """An app on a database."""
    things = CRUDRouter(
        Thing,
        prefix="/things",
        create=New,
        replace=Change,
        update=partial(Change),
        routes={"create", "replace", "update"},
        dependencies={"*": [Depends(user)]},
        scope=lambda condition: condition,
    )
    await create_tables(database, Things)
    app = app_with(database, things)
    async with client(app) as api:
        yield Place(database, app, api)


async def check(place: Place, scope: sa.ColumnElement[bool], call: Call) -> None:
    """See that both ways come to the same."""
    outcome = await place.outcome(scope, call)
    with patch.object(writer, "ensures", return_value=False):
        assert outcome == await place.outcome(scope, call)


@pytest.fixture
async def on_sqlite() -> AsyncGenerator[Place]:
    """On SQLite."""
    async with place_on(Database("sqlite://")) as place:
        yield place


@pytest.fixture
async def on_postgres(postgres: Database) -> AsyncGenerator[Place]:
    """On PostgreSQL."""
    async with place_on(postgres) as place:
        yield place


LAW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@LAW
@given(scope=SCOPES, call=calls())
async def test_both_ways_come_to_the_same(on_sqlite: Place, scope: sa.ColumnElement[bool], call: Call) -> None:
    """Whatever the scope and the values, one statement answers and stores what a transaction does."""
    await check(on_sqlite, scope, call)


@pytest.mark.postgres
@LAW
@given(scope=SCOPES, call=calls())
async def test_they_do_on_postgresql(on_postgres: Place, scope: sa.ColumnElement[bool], call: Call) -> None:
    """Texts that PostgreSQL pads or cuts, and numbers that it rounds, are judged as they are stored."""
    await check(on_postgres, scope, call)


@pytest.mark.parametrize(
    ("condition", "plain"),
    [
        (Thing.code == "a", True),
        (sa.or_(Thing.code == of_principal(str), ~Thing.flag, Thing.day.is_(None), Thing.size.between(1, 2)), True),
        (Thing.code.in_(["a", "b"]), True),
        (sa.case((Thing.size + 1 > Thing.double, sa.true()), else_=sa.false()), True),
        (sa.literal(1) == of_principal(int), True),
        (sa.func.lower(Thing.code) == "a", False),
        (Thing.code.op("~")("a"), False),
        (Thing.code.bool_op("IN (SELECT code FROM thing) AND '' <>")("a"), False),
        (sa.exists().where(Thing.id > 5), False),
        (Thing.id == sa.select(sa.func.max(Thing.id)).scalar_subquery(), False),
        (Thing.id.in_(sa.select(aliased(Thing).id)), False),
        (aliased(Thing).id == 1, False),
        (sa.column("code") == "a", False),
        (sa.literal_column("code") == "a", False),
        (sa.text("code = 'a'"), False),
        (sa.table("other", sa.column("id")).c.id == Thing.id, False),
    ],
    ids=str,
)
def test_what_is_plain(condition: sa.ColumnElement[bool], plain: bool) -> None:
    """Only what computes with the row's own columns is: nothing that may look into tables."""
    assert can_be_ensured([sa.true(), condition], Thing.__table__) is plain


async def test_a_transaction_goes_on(database: Database) -> None:
    """In a session that has begun something, what is refused is not an error of the database, which would end that."""
    things = CRUDRouter(Thing, prefix="/things", create=New, routes={"create"}, scope=lambda code: Thing.code == code)
    await create_tables(database, Things)
    async with database.session() as session:
        repository = things.repository(session, "a")
        await repository.create(dict(FIRST, id=1))
        with pytest.raises(ForbiddenError):
            await repository.create(dict(FIRST, id=2, slug="other", code="b"))
        await repository.create(dict(FIRST, id=3, slug="third"))
        await session.commit()
    async with database.engine.connect() as connection:
        keys = (await connection.execute(sa.select(Thing.id).order_by(Thing.id))).scalars().all()
    assert set(keys) >= {1, 3}


async def test_what_is_refused_by_a_constraint_is_not_tried_again(database: Database) -> None:
    """Only the error of the scope sends a write the long way."""
    async with place_on(database) as place:
        counted = Statements(database)
        body = {**FIRST, "slug": "second", "price": "1", "level": "low"}
        for condition, status, tries in ((Thing.code == "a", 409, 1), (Thing.code == "b", 403, 2)):
            await place.refill()
            counted.take()
            answer = await place.ask(condition, Call("POST", 3, body | ({"slug": "third"} if status == 403 else {})))
            sent = [it for it in counted.take() if it.startswith("INSERT")]
            assert (answer.status_code, len(sent)) == (status, tries)
