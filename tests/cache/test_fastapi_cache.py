"""Code that is written for fastapi-cache2, and what was wrong with it there."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel

from fastapi_kit._principal import set_principal
from fastapi_kit.cache import Cache, CacheMiddleware, MemoryCache
from fastapi_kit.cache._answer import strong_etag
from fastapi_kit.cache.fastapi_cache import Coder, FastAPICache, KitBackend, cache, user_key_builder
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.redis import RedisClient
from fastapi_kit.testing import client
from tests.cache.apps import app_with

pytestmark = pytest.mark.anyio


@pytest.fixture
def kit() -> Iterator[Cache]:
    """A cache, in which fastapi-cache2 keeps its values."""
    made = Cache()
    FastAPICache.init(KitBackend(made), prefix="fastapi-cache", key_builder=user_key_builder)
    yield made
    FastAPICache.reset()


async def test_the_quick_start_runs() -> None:
    """The README's first example: import lines and set-up are all that differs."""
    kit_cache = Cache()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        FastAPICache.init(KitBackend(kit_cache), prefix="fastapi-cache", key_builder=user_key_builder)
        yield

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(CacheMiddleware, cache=kit_cache)
    calls = count(1)

    @cache()
    async def get_cache() -> Any:
        return next(calls)

    @app.get("/")
    @cache(expire=60)
    async def index() -> Any:
        return {"hello": "world", "call": next(calls)}

    try:
        async with client(app) as http:
            answers = [await http.get("/") for _ in range(2)]
            assert [answer.json() for answer in answers] == [{"hello": "world", "call": 1}] * 2
            assert answers[1].headers["x-fastapi-cache"] == "HIT"
            assert [await get_cache() for _ in range(2)] == [2, 2]
    finally:
        FastAPICache.reset()


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


async def test_the_other_examples_run(kit: Cache) -> None:
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

    async with client(app_with(kit, router)) as http:
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


async def test_no_user_gets_the_answer_of_another(kit: Cache) -> None:
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

    async with client(app_with(kit, router)) as http:
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


async def test_what_the_response_model_removes_is_not_stored(kit: Cache) -> None:
    """There the value was stored as the endpoint returned it."""
    router = APIRouter()

    @router.get("/account", response_model=SomeModel)
    @cache(expire=60)
    async def account() -> Account:
        return Account(name="ada")

    async with client(app_with(kit, router)) as http:
        assert [(await http.get("/v1/account")).json() for _ in range(2)] == [{"name": "ada"}] * 2
    assert "ada" in repr(vars(kit.store))
    assert "s3cret" not in repr(vars(kit.store))


async def test_cold_calls_at_once_run_the_body_once(kit: Cache) -> None:
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

    async with client(app_with(kit, router)) as http:
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


async def test_status_headers_and_tag_are_kept(kit: Cache) -> None:
    """There a hit was a 200 without the endpoint's headers, and its tag unquoted and of one process."""
    router = APIRouter()

    @router.get("/x", status_code=203)
    @cache(expire=60)
    async def endpoint(response: Response) -> str:
        response.headers["x-made"] = "here"
        return "x"

    async with client(app_with(kit, router)) as http:
        first, second = [await http.get("/v1/x") for _ in range(2)]
        assert (second.status_code, second.headers["x-made"], second.content) == (203, "here", b'"x"')
        assert first.headers["etag"] == second.headers["etag"] == strong_etag(b'"x"').decode()


async def test_memory_is_bounded() -> None:
    """There what nobody asked for again was kept for ever."""
    store = MemoryCache(20_000)
    backend = KitBackend(Cache(store))
    for number in range(200):
        await backend.set(f"p:n:{number}", b"x" * 500, 60)
    assert store.size <= 20_000
    assert await backend.get("p:n:199") == b"x" * 500
    assert await backend.get("p:n:0") is None


async def test_namespaces_and_keys_are_forgotten(kit: Cache) -> None:
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

    async with client(app_with(kit, router)) as http:

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
