"""Code that is written for fastapi-cache2, and what was wrong with it there."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from importlib.metadata import metadata
from itertools import count
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel
from redis.asyncio import Redis

from fastapi_kit._principal import set_principal
from fastapi_kit.cache import Cache, MemoryCache
from fastapi_kit.cache._answer import strong_etag
from fastapi_kit.cache.fastapi_cache import (
    Coder,
    FastAPICache,
    InMemoryBackend,
    KitBackend,
    PickleCoder,
    RedisBackend,
    cache,
    user_key_builder,
)
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.redis import RedisClient
from fastapi_kit.testing import client
from tests.cache.apps import app_with
from tests.services import require

pytestmark = pytest.mark.anyio

AppOf = Callable[[Cache, APIRouter], FastAPI]


@pytest.fixture
def kit() -> Iterator[Cache]:
    """A cache, in which fastapi-cache2 keeps its values."""
    made = Cache()
    FastAPICache.init(KitBackend(made), prefix="fastapi-cache")
    yield made
    FastAPICache.reset()


@pytest.fixture(params=[True, False], ids=["layer", "no layer"])
def app_of(request: pytest.FixtureRequest) -> AppOf:
    """Makes an app with the layer, or without: there nobody has heard of it."""

    def make(kit: Cache, router: APIRouter) -> FastAPI:
        if request.param:
            return app_with(kit, router)
        app = FastAPI()
        app.include_router(router, prefix="/v1")
        return app

    return make


@pytest.mark.redis
async def test_the_quick_start_runs() -> None:
    """The README's own text; the import lines are all that differs, and where Redis is."""
    text = str(metadata("fastapi-cache2").json["description"])
    example = text.partition("```python\n")[2].partition("```")[0]
    imports = "from fastapi_kit.cache.fastapi_cache import FastAPICache, RedisBackend, cache"
    lines = [line for line in example.splitlines() if not line.startswith("from fastapi_cache")]
    source = "\n".join([imports, *lines]).replace("redis://localhost", require("redis"))
    module: dict[str, Any] = {"__name__": "readme"}
    exec(source, module)  # noqa: S102 - the README's, as it is installed
    try:
        async with client(module["app"]) as http:
            answers = [await http.get("/") for _ in range(2)]
            assert [answer.json() for answer in answers] == [{"hello": "world"}] * 2
            assert answers[1].headers["x-fastapi-cache"] == "HIT"
            assert [await module["get_cache"]() for _ in range(2)] == [1, 1]
            backend = FastAPICache.get_backend()
            assert isinstance(backend, RedisBackend)
            await backend.aclose()
    finally:
        FastAPICache.reset()


@pytest.mark.redis
async def test_the_server_is_that_of_the_client() -> None:
    """Host, port, database and credentials; what is not plain TCP is refused."""
    client = Redis(host="127.0.0.1", port=1, db=3, username="a:b", password="p@s/s")
    assert (
        RedisBackend(client).redis.client.connection_pool.connection_kwargs.items()
        >= {
            "host": "127.0.0.1",
            "port": 1,
            "db": 3,
            "username": "a:b",
            "password": "p@s/s",
        }.items()
    )
    with pytest.raises(ValueError, match="KitBackend"):
        RedisBackend(Redis(unix_socket_path="/tmp/no.sock"))  # noqa: S108


@pytest.fixture
def in_memory() -> Iterator[None]:
    """Set up as in code that has not heard of a `Cache`."""
    FastAPICache.init(InMemoryBackend())
    yield
    FastAPICache.reset()


@pytest.mark.usefixtures("in_memory")
async def test_without_the_layer_a_route_is_run_twice_for_an_answer() -> None:
    """A hit is given at once; what the endpoint raises is answered as ever, and not stored."""
    app, made, called = FastAPI(), count(1), count(1)

    async def dependency() -> int:
        return next(made)

    @app.get("/n/{key}", dependencies=[Depends(dependency)])
    @cache(expire=60)
    async def number(key: str) -> int:
        calls = next(called)
        if key == "x":
            raise HTTPException(404, "none")
        return calls

    async with client(app) as http:
        assert [(await http.get("/n/a")).json() for _ in range(3)] == [1, 1, 1]
        assert next(made) == 5
        assert [(await http.get("/n/x")).json() for _ in range(2)] == [{"detail": "none"}] * 2
        assert next(called) == 4


class SomeModel(BaseModel):
    """As in the README."""

    name: str


class UpperCoder(Coder):
    """A coder of the app's own."""

    @classmethod
    def encode(cls, value: Any) -> bytes:
        """In capitals."""
        return str(value).upper().encode()

    @classmethod
    def decode(cls, value: bytes) -> Any:
        """As it was encoded."""
        return value.decode()


def request_key_builder(func: Any, namespace: str = "", *, request: Any = None, response: Any = None, **_: Any) -> str:
    """The README's."""
    return ":".join([namespace, request.method.lower(), request.url.path, repr(sorted(request.query_params.items()))])


async def test_the_other_examples_run(kit: Cache, app_of: AppOf) -> None:
    """A model by its annotation, a coder, a key builder; each endpoint is called once for each key."""
    router, calls = APIRouter(), count(1)

    @router.get("/foo")
    @cache(expire=60)
    async def foo() -> SomeModel:
        next(calls)
        return SomeModel(name="x")

    @router.get("/coded")
    @cache(expire=60, coder=UpperCoder)
    async def coded() -> Any:
        return {"hello": next(calls)}

    @router.get("/built")
    @cache(expire=60, key_builder=request_key_builder)
    async def built() -> Any:
        return next(calls)

    @cache(expire=60, coder=UpperCoder)
    async def function(text: str) -> str:
        next(calls)
        return text

    async with client(app_of(kit, router)) as http:
        for path in ("/v1/foo", "/v1/coded", "/v1/built?b=1&a=2", "/v1/built?a=2&b=1"):
            assert (await http.get(path)).json() == (await http.get(path)).json()
    assert [await function("a") for _ in range(2)] == ["a", "A"]
    assert next(calls) == 5


class Service:
    """A dependency, whose repr is a memory address."""


async def user(request: Request) -> str:
    """Names the principal."""
    name = request.headers.get("authorization", "")
    if name:
        set_principal(request, name)
    return name


async def test_no_user_gets_the_answer_of_another(kit: Cache, app_of: AppOf) -> None:
    """There the key was made of the repr of the arguments: of addresses, which are used again."""
    router = APIRouter()

    @router.get("/me")
    @cache(expire=60)
    async def me(request: Request, service: Annotated[Service, Depends(Service)]) -> str:
        return request.headers.get("authorization", "nobody")

    @router.get("/built", dependencies=[Depends(user)])
    @cache(expire=60, key_builder=request_key_builder)
    async def built(request: Request) -> str:
        return request.headers.get("authorization", "nobody")

    async with client(app_of(kit, router)) as http:
        for path in ("/v1/me", "/v1/built"):
            for name in ("ada", "bob", "nobody", "ada"):
                headers = {"authorization": name} if name != "nobody" else {}
                assert (await http.get(path, headers=headers)).json() == name


def test_the_key_builder_shares_by_value_alone() -> None:
    """Equal data, equal keys; what is no data, and what is somebody's, has a key of its own each time."""

    def key(*args: Any, request: Request | None = None, **kwargs: Any) -> str:
        return user_key_builder(
            test_the_key_builder_shares_by_value_alone, "p:n", request=request, args=args, kwargs=kwargs
        )

    assert key(1, a=SomeModel(name="x")) == key(1, a=SomeModel(name="x"))
    assert key(1).startswith("p:n:")
    assert len({key(1), key("1"), key(b"1"), key(a=1), key(Service()), key(Service())}) == 6
    scope = {"type": "http", "path": "/", "query_string": b"", "headers": [(b"cookie", b"s=1")]}
    assert key(request=Request(scope)) != key(request=Request(scope))
    assert key(request=Request({**scope, "headers": []})) == key(request=Request({**scope, "headers": []}))


class Account(BaseModel):
    """What there is."""

    name: str
    password_hash: str = "s3cret"


async def test_what_the_response_model_removes_is_not_stored(kit: Cache, app_of: AppOf) -> None:
    """There the value was stored as the endpoint returned it."""
    router = APIRouter()

    @router.get("/account", response_model=SomeModel)
    @cache(expire=60)
    async def account() -> Account:
        return Account(name="ada")

    async with client(app_of(kit, router)) as http:
        assert [(await http.get("/v1/account")).json() for _ in range(2)] == [{"name": "ada"}] * 2
    assert "ada" in repr(vars(kit.store))
    assert "s3cret" not in repr(vars(kit.store))


async def test_no_pickle_of_an_answer_is_stored(kit: Cache, app_of: AppOf) -> None:
    """There whoever could write to the store could run code; also where the app asks for that coder."""
    router = APIRouter()

    @router.get("/pickled")
    @cache(expire=60, coder=PickleCoder)
    async def pickled() -> SomeModel:
        return SomeModel(name="ada")

    async with client(app_of(kit, router)) as http:
        assert [(await http.get("/v1/pickled")).json() for _ in range(2)] == [{"name": "ada"}] * 2
    assert repr(vars(kit.store)).count("ada") == repr(vars(kit.store)).count('{"name":"ada"}') == 1


async def test_a_function_makes_no_key_of_an_address(kit: Cache) -> None:
    """There an object at the address of one that was gone got its value; here both are called for."""
    calls = count(1)

    @cache(expire=60)
    async def function(service: Service) -> int:
        return next(calls)

    assert [await function(Service()) for _ in range(3)] == [1, 2, 3]


async def test_cold_calls_at_once_run_the_body_once(kit: Cache, app_of: AppOf) -> None:
    """There 200 of them ran it 200 times; of an endpoint, and of a function."""
    router, calls = APIRouter(), count(1)

    @router.get("/slow")
    @cache(expire=60)
    async def slow() -> int:
        await asyncio.sleep(0.05)
        return next(calls)

    @cache(expire=60)
    async def function() -> int:
        await asyncio.sleep(0.05)
        return next(calls)

    async with client(app_of(kit, router)) as http:
        answers = await asyncio.gather(*(http.get("/v1/slow") for _ in range(200)))
    assert {answer.json() for answer in answers} == {1}
    assert set(await asyncio.gather(*(function() for _ in range(200)))) == {2}


async def test_a_function_that_fails_lets_others_go(kit: Cache) -> None:
    """Its value is never set; those who wait call it themselves, and so does the same task."""
    calls = count(1)

    @cache(expire=60)
    async def function() -> int:
        number = next(calls)
        await asyncio.sleep(0.02)
        if number < 3:
            raise ValueError(number)
        return number

    outcomes = await asyncio.wait_for(
        asyncio.gather(*(function() for _ in range(3)), return_exceptions=True), timeout=5
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ValueError", "ValueError", "int"]
    assert await function() == 3


async def test_status_headers_and_tag_are_kept(kit: Cache, app_of: AppOf) -> None:
    """There a hit was a 200 without the endpoint's headers or its age, and its tag unquoted and of one process."""
    router = APIRouter()

    @router.api_route("/x", status_code=203, methods=["GET", "HEAD"])
    @cache(expire=60)
    async def endpoint(response: Response) -> str:
        response.headers["x-made"] = "here"
        return "x"

    async with client(app_of(kit, router)) as http:
        first, second = [await http.get("/v1/x") for _ in range(2)]
        assert (second.status_code, second.headers["x-made"], second.content) == (203, "here", b'"x"')
        assert first.headers["etag"] == second.headers["etag"] == strong_etag(b'"x"').decode()
        assert (second.headers["cache-control"], second.headers["age"]) == ("private, no-cache", "0")
        head = await http.head("/v1/x")
        assert (head.status_code, head.headers["etag"], head.content) == (203, second.headers["etag"], b"")
        known = await http.get("/v1/x", headers={"if-none-match": second.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")


async def test_memory_is_bounded() -> None:
    """There what nobody asked for again was kept for ever."""
    store = MemoryCache(20_000)
    backend = KitBackend(Cache(store))
    for number in range(200):
        await backend.set(f"p:n:{number}", b"x" * 500, 60)
    assert store.size <= 20_000
    assert await backend.get("p:n:199") == b"x" * 500
    assert await backend.get("p:n:0") is None


async def test_namespaces_and_keys_are_forgotten(kit: Cache, app_of: AppOf) -> None:
    """Of functions and of endpoints alike; others stay."""
    router, calls = APIRouter(), count(1)
    functions: dict[str, Any] = {}
    for name in ("books", "authors"):

        @router.get(f"/{name}")
        @cache(expire=60, namespace=name)
        async def endpoint() -> int:
            return next(calls)

        @cache(expire=60, namespace=name)
        async def function() -> int:
            return next(calls)

        functions[name] = function

    async with client(app_of(kit, router)) as http:

        async def values() -> list[int]:
            got = [(await http.get(f"/v1/{name}")).json() for name in ("books", "authors")]
            return [*got, *[await functions[name]() for name in ("books", "authors")]]

        assert await values() == await values() == [1, 2, 3, 4]
        await FastAPICache.clear("books")
        assert await values() == [5, 2, 6, 4]
        await FastAPICache.clear()
        assert await values() == [7, 8, 9, 10]
    backend = FastAPICache.get_backend()
    await backend.set("p:n:a", b"1", 60)
    await backend.set("p:n:b", b"1", 60)
    await FastAPICache.clear(key="p:n:a")
    assert (await backend.get("p:n:a"), await backend.get("p:n:b")) == (None, b"1")
    assert (await backend.get_with_ttl("p:n:b"))[0] in {59, 60}


@pytest.fixture
async def nowhere() -> AsyncGenerator[RedisClient]:
    """A client of a server that is not there."""
    redis = RedisClient("redis://127.0.0.1:1", timeout=0.3)
    yield redis
    await redis.aclose()


async def test_a_dead_redis_costs_little(nowhere: RedisClient) -> None:
    """There it cost 7 to 118 seconds; all three of endpoint, function and backend answer."""
    kit_cache = Cache(RedisCache(nowhere))
    FastAPICache.init(KitBackend(kit_cache), key_builder=user_key_builder)
    router, calls = APIRouter(), count(1)

    @router.get("/x")
    @cache(expire=60)
    async def endpoint() -> int:
        return next(calls)

    @cache(expire=60)
    async def function() -> int:
        return next(calls)

    try:
        async with asyncio.timeout(2), client(app_with(kit_cache, router)) as http:
            assert [(await http.get("/v1/x")).json() for _ in range(3)] == [1, 2, 3]
            assert [await function() for _ in range(3)] == [4, 5, 6]
    finally:
        FastAPICache.reset()
