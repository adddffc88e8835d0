"""Which errors pass by themselves, as real databases raise them, and what is done again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from operator import methodcaller
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.db import TRANSLATIONS, Database, Pool, TransactionConflictError, as_problem
from fastapi_kit.db._transient import transience_of
from fastapi_kit.errors import ServiceUnavailableError, install
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client
from tests.databases import emptied

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Account(Models):
    """A row that several change."""

    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int]


Unit = Callable[[AsyncSession], Awaitable[None]]


async def fill(database: Database) -> None:
    """Two accounts."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
    async with database.session() as session:
        session.add_all([Account(id=1, balance=100), Account(id=2, balance=100)])
        await session.commit()


async def balances(database: Database) -> list[int]:
    """What is stored."""
    wanted = select(Account.balance).order_by(Account.id)
    return list(await database.run(lambda connection: connection.scalars(wanted).all()))


def change(identity: int, amount: int) -> Any:
    """An UPDATE of one account."""
    return update(Account).where(Account.id == identity).values(balance=Account.balance + amount)


class Meeting:
    """Brings two units to the same point, the first time that they come there."""

    def __init__(self) -> None:
        self._barrier = asyncio.Barrier(2)
        self.visits = 0

    async def wait(self) -> None:
        """Go on when the other is here, too; later visitors do not wait."""
        self.visits += 1
        if self.visits <= 2:
            await self._barrier.wait()


def crossing(meeting: Meeting) -> tuple[Unit, Unit]:
    """Two transfers that lock the same two rows in opposite orders."""

    def transfer(giver: int, taker: int) -> Unit:
        async def unit(session: AsyncSession) -> None:
            await session.execute(change(giver, -1))
            await meeting.wait()
            await session.execute(change(taker, 1))

        return unit

    return transfer(1, 2), transfer(2, 1)


def overlapping(meeting: Meeting) -> tuple[Unit, Unit]:
    """Two that read the same and write what follows from it, which one after the other would not."""

    async def unit(session: AsyncSession) -> None:
        total = sum((await session.scalars(select(Account.balance))).all())
        await meeting.wait()
        await session.execute(update(Account).where(Account.id == 1).values(balance=total))

    return unit, unit


@pytest.fixture(
    params=[
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def locking_url(request: pytest.FixtureRequest) -> URL:
    """A database on each server whose transactions wait for each other's rows."""
    url: URL = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def locking(locking_url: URL) -> AsyncGenerator[Database]:
    """Two accounts there."""
    async with emptied(locking_url) as database:
        await fill(database)
        yield database


async def ending(unit: Unit, database: Database) -> Exception | None:
    """How a unit of work ends that is not repeated."""
    try:
        async with database.session() as session:
            await unit(session)
            await session.commit()
    except DBAPIError as error:
        return error
    return None


async def together(*work: Awaitable[Any]) -> list[Any]:
    """What they give, in bounded time."""
    with anyio.fail_after(30):
        return await asyncio.gather(*work)


async def test_a_deadlock_is_a_conflict(locking: Database) -> None:
    """One of two is given up, and a client is told to come back; the other is done."""
    meeting = Meeting()
    ends = await together(*[ending(unit, locking) for unit in crossing(meeting)])
    (lost,) = [error for error in ends if error is not None]
    assert transience_of(lost) == "conflict"
    problem = as_problem(lost)
    assert isinstance(problem, TransactionConflictError)
    assert (problem.status, problem.headers) == (503, {"Retry-After": "1"})


async def test_a_deadlock_is_repeated(locking: Database) -> None:
    """Both are done in the end, each once."""
    meeting = Meeting()
    await together(*[locking.repeat(unit) for unit in crossing(meeting)])
    assert await balances(locking) == [100, 100]
    assert meeting.visits == 3


@pytest.mark.postgres
async def test_a_serialization_failure_is_repeated(postgres_url: URL) -> None:
    """The second sees what the first has done."""
    async with emptied(postgres_url) as made:
        await fill(made)
        database = Database(postgres_url, isolation_level="SERIALIZABLE")
        await together(*[database.repeat(unit) for unit in overlapping(Meeting())])
        assert await balances(made) == [300, 100]
        ends = await together(*[ending(unit, database) for unit in overlapping(Meeting())])
        (lost,) = [error for error in ends if error is not None]
        assert isinstance(as_problem(lost), TransactionConflictError)
        await database.dispose()


async def test_a_locked_sqlite_is_repeated(tmp_path: Any) -> None:
    """A writer that took too long for one attempt is gone at the next."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}", pool=Pool(timeout=0.2))
    await fill(database)

    async def add(session: AsyncSession) -> None:
        await session.execute(change(1, 1))

    async with database.session() as writer:
        await writer.execute(change(2, 5))
        lost = await ending(add, database)
        assert isinstance(as_problem(lost or Exception()), TransactionConflictError)
        with pytest.raises(TransactionConflictError):
            await database.repeat(add, attempts=1)
        async with anyio.create_task_group() as group:
            group.start_soon(database.repeat, add)
            await anyio.sleep(0.1)
            await writer.commit()
    assert await balances(database) == [101, 105]
    await database.dispose()


async def test_other_errors_are_not_repeated(database: Database) -> None:
    """What would fail again, or may have been done, is raised as it is."""
    await fill(database)
    seen = 0

    async def unit(session: AsyncSession) -> None:
        nonlocal seen
        seen += 1
        session.add(Account(id=1, balance=0))

    with pytest.raises(DBAPIError):
        await database.repeat(unit)
    with pytest.raises(ValueError, match="attempts=0"):
        await database.repeat(unit, attempts=0)
    assert seen == 1


async def test_a_unit_gives_its_result_and_is_committed(database: Database) -> None:
    """A new session for each attempt, with all that belongs to it."""
    await fill(database)

    async def unit(session: AsyncSession) -> int:
        account = await session.get_one(Account, 1)
        account.balance += 1
        return account.balance

    assert await database.repeat(unit) == 101
    assert await balances(database) == [101, 100]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SET statement_timeout = 10; SELECT pg_sleep(1)", "unavailable"),
        ("SET default_transaction_read_only = on; CREATE TABLE x (id int)", "unavailable"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "unavailable"),
        ("SELECT 1 / 0", None),
        ("SELECT * FROM nowhere", None),
    ],
    ids=["too slow", "read-only", "shut down", "wrong value", "wrong statement"],
)
async def test_states_of_postgresql(postgres_url: URL, statement: str, kind: str | None) -> None:
    """What passes and what does not, as the server tells it."""
    database = Database(postgres_url, pool=Pool(size=1))

    async def execute() -> None:
        for part in map(text, statement.split(";")):
            await database.run(methodcaller("execute", part))

    with pytest.raises(DBAPIError) as caught:
        await execute()
    assert transience_of(caught.value) == kind
    await database.dispose()


async def test_an_error_outside_of_the_requests_session_is_translated(database: Database) -> None:
    """`TRANSLATIONS` tells `install` of errors of sessions of one's own; a fault of the program stays a failure."""
    await fill(database)
    app = FastAPI(lifespan=compose(database.lifespan))
    install(app, translate=TRANSLATIONS)

    @app.get("/{table}")
    async def endpoint(table: str) -> None:
        async with database.session() as session:
            await session.execute(text(f"INSERT INTO {table} (id, balance) VALUES (1, 1)"))  # noqa: S608

    async with client(app, raise_app_exceptions=False) as api:
        assert (await api.get("/account")).status_code == 409
        assert (await api.get("/nowhere")).status_code == 500


class DriverError(Exception):
    """As drivers raise them, with what they tell by."""

    def __init__(self, *arguments: object, **told: str) -> None:
        super().__init__(*arguments)
        self.__dict__.update(told)


@given(
    st.one_of(
        st.integers(0, 9999).map(lambda number: DriverError(number, "x")),
        st.from_regex(r"[0-9A-Z]{5}", fullmatch=True).map(lambda state: DriverError("x", sqlstate=state)),
        st.text(max_size=40).map(DriverError),
    )
)
def test_a_problem_follows_from_the_kind(original: Exception) -> None:
    """Whatever a driver says, what passes is a 503 with `Retry-After`, and what does not never is."""
    error = OperationalError("SELECT 1", None, original)
    kind, problem = transience_of(error), as_problem(error)
    assert isinstance(problem, ServiceUnavailableError) is (kind is not None)
    assert isinstance(problem, TransactionConflictError) is (kind == "conflict")
    if kind is not None and problem is not None:
        headers: Mapping[str, str] = problem.headers or {}
        assert int(headers["Retry-After"]) >= 1
