"""Several workers of one service: what one of them decides holds in all of them at once."""

import os
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from sys import executable

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy import URL, make_url

from fastapi_kit.auth import NewUser, PasswordHasher, SQLUserStore
from fastapi_kit.auth._workers import told_workers
from fastapi_kit.db import Database
from tests.auth.accounts import Account
from tests.auth.services import CHEAP, PASSWORD, bearer
from tests.auth.stores import database_with_tables, redis_with_prefix
from tests.integration.served import ROOT, free_port, served
from tests.services import require

WORKERS = 3
CURE = "use a store on a database or on Redis"


def command(port: int) -> list[str]:
    """What serves the app, as on a command line."""
    return ["uvicorn", "tests.auth.served:app", "--port", str(port), "--workers", str(WORKERS)]


@asynccontextmanager
async def places(name: str, users: URL) -> AsyncGenerator[tuple[Database, dict[str, str]]]:
    """The database with the tables, and what tells the app where users and sessions are."""
    told = users.render_as_string(hide_password=False)
    async with database_with_tables(users) as database:
        if name == "redis":
            redis = require("redis")
            async with redis_with_prefix(make_url(redis)) as (_, prefix):
                yield database, {"USERS": told, "SESSIONS": redis, "PREFIX": prefix}
        else:
            yield database, {"USERS": told, "SESSIONS": told}


@contextmanager
def each_worker(url: str) -> Generator[list[httpx2.Client]]:
    """A client for each worker, on a connection that stays with it."""
    with ExitStack() as stack:
        found: dict[str, httpx2.Client] = {}
        for _ in range(500):
            api = stack.enter_context(httpx2.Client(base_url=url, timeout=20))
            found.setdefault(api.get("/health").headers["x-worker"], api)
            if len(found) == WORKERS:
                break
        assert len(found) == WORKERS
        yield list(found.values())


def statuses(workers: list[httpx2.Client], tokens: dict[str, str]) -> list[int]:
    """What each worker answers whoever comes with these tokens."""
    return [api.get("/mine", headers=bearer(tokens["access_token"])).status_code for api in workers]


def logged_in(api: httpx2.Client) -> dict[str, str]:
    """The tokens of a new session."""
    answer = api.post("/auth/token", data={"username": "ann@example.com", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


PLACES = [
    "sqlite",
    *(pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("postgres", "mariadb", "redis")),
]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, URL]:
    """Where sessions are, and users: beside them, or in a file."""
    file = make_url(f"sqlite+aiosqlite:///{tmp_path / 'users.db'}")
    served = {"postgres", "mariadb"}
    return request.param, request.getfixturevalue(f"{request.param}_url") if request.param in served else file


@pytest.mark.slow
@pytest.mark.anyio
async def test_an_end_holds_in_every_worker(place: tuple[str, URL], tmp_path: Path) -> None:
    """Logout, logout everywhere and a disabled account: with the next request, whichever worker it reaches."""
    port = free_port()
    async with places(*place) as (database, environment):
        stored = await PasswordHasher(CHEAP).hash(PASSWORD)
        await SQLUserStore(database, Account).add(NewUser("ann@example.com", stored))
        with (
            served(command(port), port, tmp_path / "log", WORKERS=str(WORKERS), **environment),
            each_worker(f"http://127.0.0.1:{port}") as workers,
        ):
            phone, laptop, desk = (logged_in(api) for api in workers)
            assert statuses(workers, phone) == [200] * WORKERS

            assert workers[1].post("/auth/logout", headers=bearer(phone["access_token"])).status_code == 204
            assert statuses(workers, phone) == [401] * WORKERS
            assert statuses(workers, laptop) == [200] * WORKERS

            assert workers[2].post("/auth/logout-all", headers=bearer(laptop["access_token"])).status_code == 204
            assert statuses(workers, laptop) == statuses(workers, desk) == [401] * WORKERS

            tokens = logged_in(workers[0])
            assert statuses(workers, tokens) == [200] * WORKERS
            async with database.engine.begin() as connection:
                await connection.execute(sa.update(Account).values(is_active=False))
            assert statuses(workers, tokens) == [403] * WORKERS
            renewed = workers[1].post("/auth/refresh", data={"refresh_token": tokens["refresh_token"]})
            assert renewed.status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", str(WORKERS)], ids=["only the server knows", "the settings know"])
def test_memory_does_not_start_with_several_workers(workers: str, tmp_path: Path) -> None:
    """Sessions in the workers' own memories: the server ends, and its log says what to do."""
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "USERS": f"sqlite:///{tmp_path / 'users.db'}"}
    environment |= {"SESSIONS": "", "WORKERS": workers}
    with Popen(
        [executable, "-m", *command(free_port())],
        cwd=ROOT,
        env=environment,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
        start_new_session=True,  # so that the workers can be found at the end
    ) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if "startup complete" in line or CURE in line), "nothing")
        os.killpg(process.pid, signal.SIGKILL)
    assert CURE in said


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("/venv/bin/uvicorn shop:app --workers 4 --port 80", 4),
        ("/venv/lib/uvicorn/__main__.py shop:app --workers=2", 2),
        ("/venv/bin/gunicorn -w 3 shop:app", 3),
        ("/venv/bin/gunicorn shop:app -w8", 8),
        ("/venv/bin/fastapi run --workers 2", 2),
        ("/venv/bin/uvicorn shop:app --workers 1", 1),
        ("/venv/bin/uvicorn shop:app", 5),
        ("/srv/shop/import.py --workers 4", 1),
        ("-c", 1),
    ],
)
def test_the_command_line_tells_how_many_workers_there_are(line: str, number: int) -> None:
    """That of a server alone; where it does not say so, its variable does."""
    assert told_workers(line.split(), {"WEB_CONCURRENCY": "5"}) == number


@pytest.mark.parametrize("value", ["", "x", "-1"])
def test_a_variable_that_is_no_number_tells_nothing(value: str) -> None:
    """The server says so itself."""
    assert told_workers(["uvicorn", "shop:app"], {"WEB_CONCURRENCY": value}) == 1
