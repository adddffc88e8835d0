"""`after_commit`: what waits for the COMMIT runs once after it, and never after a rollback."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from fastapi import FastAPI, HTTPException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import CheckConstraint, Connection, ForeignKey, String, select
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit.db import Database, Pool, SessionDep, after_commit
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client, rolled_back

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Item(Models):
    """A row whose foreign key is checked at COMMIT."""

    __tablename__ = "item"
    name: Mapped[str] = mapped_column(String(9), primary_key=True)
    parent: Mapped[str | None] = mapped_column(ForeignKey("item.name", deferrable=True, initially="DEFERRED"))
    __table_args__ = (CheckConstraint("name <> ''"),)


@pytest.fixture
async def narrow(database: Database) -> AsyncGenerator[Database]:
    """A database with the table and a pool of one connection, which nobody waits long for."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
    narrow = Database(database.url, pool=Pool(size=1, timeout=5))
    yield narrow
    await narrow.dispose()


def names_on(connection: Connection) -> list[str]:
    """What is stored."""
    return list(connection.scalars(select(Item.name).order_by(Item.name)))


@dataclass
class Diary:
    """Makes callbacks that write down what was stored when they ran."""

    database: Database
    entries: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])

    def note(self, name: str) -> Callable[[], Awaitable[None]]:
        """A callback that reads the table by a session of its own."""

        async def callback() -> None:
            async with self.database.session() as session:
                self.entries.append((name, list(await session.scalars(select(Item.name).order_by(Item.name)))))

        return callback


async def by_commit(session: AsyncSession, callback: Callable[[], Awaitable[None]]) -> None:
    """Let the session begin by itself."""
    after_commit(session, callback)
    session.add(Item(name="a"))
    await session.commit()


async def by_block(session: AsyncSession, callback: Callable[[], Awaitable[None]]) -> None:
    """Begin and commit by a block."""
    async with session.begin():
        session.add(Item(name="a"))
        after_commit(session, callback)


async def by_transaction(session: AsyncSession, callback: Callable[[], Awaitable[None]]) -> None:
    """Commit the transaction itself."""
    transaction = await session.begin()
    session.add(Item(name="a"))
    after_commit(session, callback)
    await transaction.commit()


async def by_synchronous_code(session: AsyncSession, callback: Callable[[], Awaitable[None]]) -> None:
    """Commit in code that was written for synchronous sessions."""
    session.add(Item(name="a"))
    after_commit(session, callback)
    await session.run_sync(lambda synchronous: synchronous.commit())


WAYS = [by_commit, by_block, by_transaction, by_synchronous_code]


@pytest.mark.parametrize("way", WAYS)
async def test_runs_after_every_way_to_commit(
    narrow: Database, way: Callable[[AsyncSession, Callable[[], Awaitable[None]]], Awaitable[None]]
) -> None:
    """By the time that the commit returns the callback has seen the row, through the pool's one connection."""
    diary = Diary(narrow)
    async with narrow.session() as session:
        await way(session, diary.note("x"))
        assert diary.entries == [("x", ["a"])]


async def test_runs_once_and_in_order(narrow: Database) -> None:
    """The next commit of the same session runs what was registered since, and nothing again."""
    diary = Diary(narrow)
    async with narrow.session() as session:
        for name in "xyz":
            after_commit(session, diary.note(name))
        await session.commit()
        assert [name for name, _ in diary.entries] == ["x", "y", "z"]
        after_commit(session, diary.note("later"))
        await session.commit()
        await session.commit()
    assert [name for name, _ in diary.entries] == ["x", "y", "z", "later"]


async def be_refused(
    block: AsyncSessionTransaction, session: AsyncSession, callback: Callable[[], Awaitable[None]]
) -> None:
    """Leave a block by the error of a flush."""
    async with block:
        after_commit(session, callback)
        session.add(Item(name=""))
        await session.flush()


async def test_a_rollback_drops(narrow: Database) -> None:
    """Neither a rollback, nor a closed session, nor an error in a block leaves anything to a later commit."""
    diary = Diary(narrow)
    async with narrow.session() as session:
        after_commit(session, diary.note("rolled back"))
        await session.rollback()
        after_commit(session, diary.note("closed"))
        await session.close()
        with pytest.raises(IntegrityError):
            await be_refused(session.begin(), session, diary.note("left"))
        await session.commit()
    assert diary.entries == []


async def test_a_commit_that_fails_drops(narrow: Database) -> None:
    """A constraint that is checked at COMMIT means that nothing has happened."""
    diary = Diary(narrow)
    async with narrow.session() as session:
        session.add(Item(name="a", parent="nobody"))
        after_commit(session, diary.note("x"))
        with pytest.raises(IntegrityError):
            await session.commit()
        await session.rollback()
        await session.commit()
    assert diary.entries == []


async def test_a_savepoint_is_no_commit(narrow: Database) -> None:
    """What was registered in a released savepoint waits for the COMMIT, in its place."""
    diary = Diary(narrow)
    async with narrow.session() as session:
        after_commit(session, diary.note("before"))
        async with session.begin_nested(), session.begin_nested():
            after_commit(session, diary.note("inside"))
        after_commit(session, diary.note("after"))
        assert diary.entries == []
        await session.commit()
    assert [name for name, _ in diary.entries] == ["before", "inside", "after"]


async def test_a_savepoint_that_is_rolled_back_drops_its_own(narrow: Database) -> None:
    """That includes the savepoints inside, released or not, and nothing outside."""
    diary = Diary(narrow)
    async with narrow.session() as session:
        after_commit(session, diary.note("outside"))
        savepoint = await session.begin_nested()
        async with session.begin_nested():
            after_commit(session, diary.note("released inside"))
        await session.begin_nested()
        after_commit(session, diary.note("open inside"))
        await savepoint.rollback()
        after_commit(session, diary.note("outside, too"))
        await session.commit()
    assert [name for name, _ in diary.entries] == ["outside", "outside, too"]


async def test_a_flush_is_no_commit(narrow: Database) -> None:
    """Neither is one that fails inside a savepoint, whose rollback keeps what was registered before it."""
    diary = Diary(narrow)
    async with narrow.session() as session:
        session.add(Item(name="a"))
        after_commit(session, diary.note("x"))
        await session.flush()
        session.expunge_all()
        with pytest.raises(IntegrityError):
            await be_refused(session.begin_nested(), session, diary.note("dropped"))
        assert diary.entries == []
        await session.commit()
    assert diary.entries == [("x", ["a"])]


@dataclass
class Savepoint:
    """A savepoint that is released or rolled back, and what is done inside: a registration (`None`) or a savepoint."""

    kept: bool
    steps: list["Step"]


Step = Savepoint | None


def savepoints(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    """Savepoints around `steps`."""
    return st.builds(Savepoint, st.booleans(), st.lists(steps, max_size=3))


PROGRAMS = st.lists(st.recursive(st.none(), savepoints, max_leaves=6), max_size=4)


async def play(session: AsyncSession, steps: list[Step], ran: list[int], numbers: Iterator[int]) -> list[int]:
    """Do the steps; the numbers of the callbacks that should run if what is around it is kept."""
    expected: list[int] = []
    for step in steps:
        if step is None:
            number = next(numbers)

            async def callback(number: int = number) -> None:
                ran.append(number)

            after_commit(session, callback)
            expected.append(number)
            continue
        savepoint = await session.begin_nested()
        kept = await play(session, step.steps, ran, numbers)
        if step.kept:
            await savepoint.commit()
            expected += kept
        else:
            await savepoint.rollback()
    return expected


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(program=PROGRAMS, committed=st.booleans())
async def test_what_runs_is_what_was_kept(narrow: Database, program: list[Step], committed: bool) -> None:
    """However savepoints are nested, exactly the callbacks run whose transactions were all kept, in order."""
    ran: list[int] = []
    async with narrow.session() as session:
        expected = await play(session, program, ran, count())
        assert ran == []
        await (session.commit() if committed else session.rollback())
    assert ran == (expected if committed else [])


async def test_a_callback_that_raises_is_logged(narrow: Database, caplog: pytest.LogCaptureFixture) -> None:
    """The others run, the commit stands, and the log has the traceback."""
    diary = Diary(narrow)

    async def broken() -> None:
        raise ZeroDivisionError

    async with narrow.session() as session:
        session.add(Item(name="a"))
        after_commit(session, broken)
        after_commit(session, diary.note("x"))
        with caplog.at_level(logging.ERROR, "fastapi_kit.db"):
            await session.commit()
    assert diary.entries == [("x", ["a"])]
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert "broken failed after the commit" in record.getMessage()


async def test_a_cancelled_callback_leaves_the_commit(narrow: Database) -> None:
    """The commit stands, what comes after the cancellation does not run, and the session can be used again."""
    diary = Diary(narrow)
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    async with narrow.session() as session:

        async def work() -> None:
            async with session.begin():
                session.add(Item(name="a"))
                after_commit(session, endless)
                after_commit(session, diary.note("x"))

        task = asyncio.create_task(work())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(await session.scalars(select(Item.name))) == ["a"]
        await session.commit()
    assert diary.entries == []


async def test_the_session_must_be_able_to_begin(narrow: Database) -> None:
    """After a commit inside of its block a session has no transaction that a callback could belong to."""
    diary = Diary(narrow)
    async with narrow.session() as session, session.begin():
        await session.commit()
        with pytest.raises(InvalidRequestError, match="context manager"):
            after_commit(session, diary.note("x"))


async def test_any_session_will_do(narrow: Database) -> None:
    """The session may come from an engine that is none of ours."""
    diary = Diary(narrow)
    engine = create_async_engine(narrow.url)
    async with AsyncSession(engine) as session:
        session.add(Item(name="a"))
        after_commit(session, diary.note("x"))
        await session.commit()
    await engine.dispose()
    assert diary.entries == [("x", ["a"])]


async def test_runs_under_per_test_rollback(narrow: Database) -> None:
    """A commit in a test is one for the callbacks, although nothing of the test is kept."""
    diary = Diary(narrow)
    async with rolled_back(narrow):
        async with narrow.session() as session:
            await by_commit(session, diary.note("x"))
        async with narrow.session() as session:
            after_commit(session, diary.note("dropped"))
            await session.rollback()
    assert diary.entries == [("x", ["a"])]
    assert await narrow.run(names_on) == []


class Watch:
    """Middleware that does something when the response starts."""

    def __init__(self, app: ASGIApp, at_start: Callable[[], None]) -> None:
        self.app = app
        self.at_start = at_start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at each message."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.at_start()
            await send(message)

        await self.app(scope, receive, watched)


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "raised"])
async def test_runs_before_the_response_starts(narrow: Database, fails: bool) -> None:
    """A request's callbacks run when its row is there for everyone, and not if the endpoint raises."""
    diary = Diary(narrow)
    app = FastAPI(lifespan=compose(narrow.lifespan))
    seen: list[tuple[str, list[str]]] = []

    @app.post("/")
    async def endpoint(session: SessionDep) -> None:
        session.add(Item(name="a"))
        after_commit(session, diary.note("x"))
        if fails:
            raise HTTPException(418)

    app.add_middleware(Watch, at_start=lambda: seen.extend(diary.entries))
    async with client(app) as api:
        await api.post("/")
    assert seen == diary.entries == ([] if fails else [("x", ["a"])])
