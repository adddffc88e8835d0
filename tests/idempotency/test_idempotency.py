"""What clients see of endpoints that take keys."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, File, Form, Header, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import URL, String, UniqueConstraint, func, make_url, select
from sqlalchemy.orm import Mapped, mapped_column

from fastapi_kit._principal import set_principal
from fastapi_kit.crud import CRUDRouter, OverrideContext
from fastapi_kit.db import Base, Database, SessionDep, get_session
from fastapi_kit.errors import ConflictError, UnauthorizedError, install
from fastapi_kit.idempotency import Idempotency, IdempotencyError, SQLIdempotency
from fastapi_kit.idempotency.redis import RedisIdempotency
from fastapi_kit.lifespan import compose
from fastapi_kit.redis import RedisClient
from fastapi_kit.testing import client
from tests.databases import emptied
from tests.services import require

pytestmark = pytest.mark.anyio


class Order(Base):
    """A row."""

    __tablename__ = "idempotent_orders"
    __table_args__ = (UniqueConstraint("name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))


records = SQLIdempotency(Base.metadata)


class Placed(BaseModel):
    """What is answered."""

    id: int


class Asked(BaseModel):
    """What is sent."""

    name: str
    fail: bool = False


async def user(request: Request, authorization: Annotated[str, Header()] = "") -> None:
    """Names the principal; refuses the bad one."""
    if authorization == "bad":
        raise UnauthorizedError
    if authorization:
        set_principal(request, authorization)


def orders_of(idempotency: Idempotency) -> APIRouter:
    """A router that makes rows."""
    router = APIRouter(route_class=idempotency.route_class, dependencies=[Depends(user)])

    @router.post("/orders", status_code=201)
    async def place(asked: Asked, session: SessionDep, response: Response) -> Placed:
        order = Order(name=asked.name)
        session.add(order)
        if asked.fail:
            raise ConflictError
        await asyncio.sleep(0.05)
        await session.flush()
        response.headers["location"] = f"/orders/{order.id}"
        return Placed.model_construct(id=order.id, secret="s3cret")

    @router.post("/late")
    async def late(asked: Asked, session: SessionDep) -> str:
        session.add(Order(name=asked.name))  # written by the commit
        return "ok"

    return router


@pytest.fixture(
    params=[
        "memory",
        pytest.param("redis", marks=pytest.mark.redis),
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, URL]:
    """A store, and the database of the app."""
    if request.param in {"postgres", "mariadb"}:
        return "sql", request.getfixturevalue(f"{request.param}_url")
    return request.param.replace("sqlite", "sql"), make_url(f"sqlite+aiosqlite:///{tmp_path}/test.db")


Make = Callable[..., Idempotency]


@pytest.fixture
async def api(place: tuple[str, URL]) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of an app with each store."""
    kind, url = place
    redis = RedisClient(require("redis") if kind == "redis" else "redis://127.0.0.1:1")
    store = {"memory": None, "redis": RedisIdempotency(redis, prefix=f"test:{os.urandom(6).hex()}"), "sql": records}
    async with emptied(url) as database:
        async with database.engine.begin() as connection:
            tables = [Base.metadata.tables[name] for name in ("idempotent_orders", "idempotency_records")]
            await connection.run_sync(Base.metadata.create_all, tables=tables)
        app = FastAPI(lifespan=compose(database.lifespan, redis.lifespan))
        install(app)
        app.include_router(orders_of(Idempotency(store[kind], lease=1)), prefix="/v1")

        @app.get("/count")
        async def counted(session: SessionDep) -> int:
            return (await session.execute(select(func.count()).select_from(Order))).scalar_one()

        async with client(app) as http:
            yield http


def key(name: str, **headers: str) -> dict[str, str]:
    """Headers with a key."""
    return {"idempotency-key": name, **headers}


async def rows(api: httpx2.AsyncClient) -> int:
    """How many rows there are."""
    number: int = (await api.get("/count")).json()
    return number


async def test_a_retry_is_answered_and_not_carried_out(api: httpx2.AsyncClient) -> None:
    """Status, headers and body are those of the first answer; a mark tells them apart."""
    first = await api.post("/v1/orders", json={"name": "a"}, headers=key("k1"))
    again = await api.post("/v1/orders", json={"name": "a"}, headers=key('"k1"'))
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.json(), again.json()) == ({"id": 1}, {"id": 1})
    assert again.headers["location"] == first.headers["location"] == "/orders/1"
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert await rows(api) == 1


async def test_without_a_key_each_request_is_carried_out(api: httpx2.AsyncClient) -> None:
    """As ever."""
    answers = [await api.post("/v1/orders", json={"name": name}) for name in ("a", "b")]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert await rows(api) == 2


async def test_other_content_under_a_key_is_refused(api: httpx2.AsyncClient) -> None:
    """Whoever sends it has mixed up two things."""
    await api.post("/v1/orders", json={"name": "a"}, headers=key("k"))
    other = await api.post("/v1/orders", json={"name": "b"}, headers=key("k"))
    assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
    assert await rows(api) == 1


async def test_a_key_is_somebodys(api: httpx2.AsyncClient) -> None:
    """Another principal, or another path, with the same key is another request; and dependencies run each time."""
    for number, headers in enumerate(({"authorization": "ada"}, {"authorization": "bob"}, {}, {"x-api-key": "eve"}), 1):
        answer = await api.post("/v1/orders", json={"name": f"n{number}"}, headers=key("k", **headers))
        assert (answer.status_code, answer.json()) == (201, {"id": number})
    assert (await api.post("/v1/late", json={"name": "n"}, headers=key("k"))).status_code == 200
    bad = await api.post("/v1/orders", json={"name": "n1"}, headers=key("k", authorization="bad"))
    assert bad.status_code == 401
    assert await rows(api) == 5


async def test_requests_at_once_make_one_row(api: httpx2.AsyncClient) -> None:
    """The others get the same answer, or are told to come again."""
    answers = await asyncio.gather(*(api.post("/v1/orders", json={"name": "a"}, headers=key("k")) for _ in range(20)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {201, 409}
    assert {answer.json()["id"] for answer in answers if answer.status_code == 201} == {1}
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 409)
    assert await rows(api) == 1


async def test_what_was_raised_is_not_kept(api: httpx2.AsyncClient) -> None:
    """Nothing was written, so the retry is carried out; with other content, too."""
    assert (await api.post("/v1/orders", json={"name": "a", "fail": True}, headers=key("k"))).status_code == 409
    assert (await api.post("/v1/orders", json={"name": "a"}, headers=key("k"))).status_code == 201
    assert await rows(api) == 1


async def test_a_commit_that_fails_gives_the_key_back(api: httpx2.AsyncClient) -> None:
    """What the endpoint returned was not true, so it is not kept."""
    assert (await api.post("/v1/late", json={"name": "a"})).status_code == 200
    assert (await api.post("/v1/late", json={"name": "a"}, headers=key("k"))).status_code == 409
    assert (await api.post("/v1/late", json={"name": "b"}, headers=key("k"))).status_code == 200
    assert await rows(api) == 2


@pytest.mark.parametrize("sent", ["", " ", '""', "x" * 256, 'a"b', "a b", "\x7f"])
async def test_a_malformed_key_is_a_400(sent: str) -> None:
    """Before anything is carried out."""
    app = FastAPI()
    app.include_router(counting(Idempotency()))
    async with client(app) as http:
        assert (await http.post("/n", headers={"idempotency-key": sent})).status_code == 400
        assert (await http.post("/n", headers=key("k"))).json() == 1


def counting(idempotency: Idempotency) -> APIRouter:
    """A router whose answers are numbers."""
    router, made = APIRouter(route_class=idempotency.route_class), count(1)

    @router.post("/n")
    async def number(request: Request) -> int:
        return next(made)

    @router.post("/form")
    async def form(name: Annotated[str, Form()], file: Annotated[UploadFile, File()]) -> str:
        return f"{name} {(await file.read()).decode()} {next(made)}"

    @router.post("/{kind}")
    def other(kind: str) -> Any:
        number = next(made)
        if kind == "stream":
            return StreamingResponse(iter([str(number)]))
        if kind == "large":
            return Response(b"x" * 2000 + str(number).encode())
        return JSONResponse(number, status_code=503 if kind == "error" else 402)

    @router.get("/n")
    async def read() -> int:
        return next(made)

    return router


async def test_a_key_can_be_required() -> None:
    """A 400 without one; safe methods need none."""
    app = FastAPI()
    app.include_router(counting(Idempotency(required=True)))
    async with client(app) as http:
        assert (await http.post("/n")).status_code == 400
        assert (await http.post("/n", headers=key("k"))).json() == 1
        assert [(await http.get("/n", headers=key("k"))).json() for _ in range(2)] == [2, 3]


async def test_what_is_returned_is_kept_unless_it_is_a_fault() -> None:
    """A returned error was decided by the endpoint; of what is too large or a stream it is known that it was sent."""
    app = FastAPI()
    app.include_router(counting(Idempotency(max_body=1000)))
    async with client(app) as http:
        answers = {
            kind: [
                (answer.status_code, answer.text[-2:])
                for answer in [await http.post(f"/{kind}", headers=key("k")) for _ in range(2)]
            ]
            for kind in ("declined", "error", "stream", "large")
        }
    assert answers["declined"] == [(402, "1"), (402, "1")]
    assert answers["error"] == [(503, "2"), (503, "3")]
    assert [status for status, _ in answers["stream"] + answers["large"]] == [200, 409, 200, 409]


async def test_a_form_is_the_same_with_another_boundary() -> None:
    """Clients make a new one for each request."""
    app = FastAPI()
    app.include_router(counting(Idempotency()))
    async with client(app) as http:

        async def send(content: bytes) -> httpx2.Response:
            return await http.post("/form", data={"name": "a"}, files={"file": ("f", content)}, headers=key("k"))

        assert [(await send(b"x")).json() for _ in range(2)] == ["a x 1", "a x 1"]
        assert (await send(b"y")).status_code == 422


async def test_a_long_request_keeps_its_key() -> None:
    """It is renewed as long as the request is carried out."""
    idempotency, made = Idempotency(lease=0.1), count(1)
    router = APIRouter(route_class=idempotency.route_class)

    @router.post("/slow")
    async def slow() -> int:
        await asyncio.sleep(0.4)
        return next(made)

    app = FastAPI()
    app.include_router(router)
    async with client(app) as http:
        first = asyncio.create_task(http.post("/slow", headers=key("k")))
        await asyncio.sleep(0.3)
        assert (await http.post("/slow", headers=key("k"))).status_code == 409
        assert (await first).json() == 1
        assert (await http.post("/slow", headers=key("k"))).json() == 1


async def test_generated_routes_take_keys(database: Database) -> None:
    """By an override; the answer is kept with the row."""
    async with database.engine.begin() as connection:
        tables = [Base.metadata.tables[name] for name in ("idempotent_orders", "idempotency_records")]
        await connection.run_sync(Base.metadata.create_all, tables=tables)
    idempotency = Idempotency(records)
    needed = [Depends(get_session, scope="function")]
    orders = CRUDRouter(Order, prefix="/orders", dependencies={"create": needed})
    bare = CRUDRouter(Order, prefix="/bare")

    for router in (orders, bare):

        @router.override("create")
        @idempotency.protected
        async def create(context: OverrideContext) -> Response:
            return await context.default()

    app = FastAPI(lifespan=compose(database.lifespan))
    app.include_router(orders)
    app.include_router(bare)
    async with client(app, raise_app_exceptions=True) as http:
        answers = [await http.post("/orders", json={"name": "a"}, headers=key("k")) for _ in range(2)]
        assert [(answer.status_code, answer.json()["id"]) for answer in answers] == [(201, 1)] * 2
        assert answers[1].headers["location"] == answers[0].headers["location"]
        assert (await http.post("/orders", json={"name": "a"}, headers=key("other"))).status_code == 409
        with pytest.raises(IdempotencyError, match="get_session"):
            await http.post("/bare", json={"name": "b"}, headers=key("k"))


def test_the_document_tells_of_keys() -> None:
    """The header, and the answers that come of it."""
    app = FastAPI()
    app.include_router(counting(Idempotency()))
    paths = app.openapi()["paths"]
    operation = paths["/n"]["post"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]
    assert {"200", "400", "409"} <= set(operation["responses"])
    assert "parameters" not in paths["/n"]["get"]


async def test_headers_that_differ_with_each_try_do_not_matter() -> None:
    """Proxies and clients add some; only those count that tell persons apart, or what `owner` says."""
    app = FastAPI()
    app.include_router(counting(Idempotency()), prefix="/a")
    app.include_router(counting(Idempotency(owner=lambda request: request.headers["x-shop"])), prefix="/b")
    async with client(app) as http:
        for attempt in ("1", "2"):
            headers = key("k", **{"x-attempt": attempt, "user-agent": f"shop/{attempt}", "x-shop": "s"})
            assert (await http.post("/a/n", headers=headers)).json() == 1
            assert (await http.post("/b/n", headers={**headers, "authorization": attempt})).json() == 1
        assert (await http.post("/a/n", headers=key("k", **{"x-user-id": "ada"}))).json() == 2
        assert (await http.post("/b/n", headers=key("k", **{"x-shop": "other"}))).json() == 2


async def test_without_redis_nothing_is_carried_out() -> None:
    """With a key; it may have been carried out before. Without one, as ever."""
    redis = RedisClient("redis://127.0.0.1:1")
    app = FastAPI(lifespan=compose(redis.lifespan))
    install(app)
    app.include_router(counting(Idempotency(RedisIdempotency(redis))))
    async with client(app) as http:
        for _ in range(2):
            answer = await http.post("/n", headers=key("k"))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await http.post("/n")).json() == 1


KEYS = st.sampled_from(["k", "l"])
USERS = st.sampled_from([{}, {"authorization": "ada"}, {"authorization": "bob"}, {"x-api-key": "a"}, {"cookie": "s=1"}])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(KEYS, USERS, st.sampled_from(["1", "2"])), max_size=20))
async def test_the_law_of_keys(sent: list[tuple[str, dict[str, str], str]]) -> None:
    """As a model says: one answer for each user and key, and 422 for other content, whatever the order."""
    app, expected, made = FastAPI(), dict[tuple[str, str], tuple[str, int]](), count(1)
    router = counting(Idempotency())
    app.include_router(router, dependencies=[Depends(user)])
    async with client(app) as http:
        for name, headers, content in sent:
            answer = await http.post("/n", content=content, headers=key(name, **headers))
            who = (name, str(headers))
            known, number = expected.setdefault(who, (content, -1))
            if number < 0:
                number = next(made)
                expected[who] = (content, number)
            if known == content:
                assert (answer.status_code, answer.json()) == (200, number)
            else:
                assert answer.status_code == 422
