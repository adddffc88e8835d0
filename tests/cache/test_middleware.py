"""What clients see of cached endpoints."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from fastapi_kit.cache import Cache, CacheMiddleware, MemoryCache, NoCacheError, cached
from fastapi_kit.errors import NotFoundError
from fastapi_kit.testing import FrozenClock, client
from tests.cache.apps import User, app_with

pytestmark = pytest.mark.anyio


class Public(BaseModel):
    """What clients may see."""

    number: int


class Row(Public):
    """What there is."""

    secret: str = "s3cret"


class Numbers:
    """A router whose answers count how often they were made."""

    def __init__(self, *arguments: Any, **policy: Any) -> None:
        self.calls = count(1)
        self.router = APIRouter()
        self.made = 0

        @self.router.get("/n/{key}", response_model=Public)
        @cached(*arguments, **policy)
        async def number(key: str) -> Any:
            self.made = next(self.calls)
            return Row(number=self.made)


def parts(*arguments: Any, **policy: Any) -> tuple[Numbers, Cache, FrozenClock, FastAPI]:
    """A router of numbers, in an app whose clock stands still."""
    numbers, clock = Numbers(*arguments, **policy), FrozenClock()
    cache = Cache(clock=clock)
    return numbers, cache, clock, app_with(cache, numbers.router)


async def test_the_rendered_answer_is_given_again() -> None:
    """The endpoint is called once; what its response model removes is not even in the store."""
    numbers, cache, clock, app = parts(60, scope="public")
    async with client(app) as http:
        first = await http.get("/v1/n/a?x=1&y=2")
        clock.advance(12)
        second = await http.get("/v1/n/a?y=2&x=1")
        assert (await http.get("/v1/n/b?x=1&y=2")).json() == {"number": 2}
        assert (await http.get("/v1/n/a?x=1")).json() == {"number": 3}
    assert first.json() == second.json() == {"number": 1}
    assert first.headers["cache-status"] == "fastapi-kit; fwd=miss; stored"
    assert second.headers["cache-status"] == "fastapi-kit; hit; ttl=48"
    assert (second.headers["age"], second.headers["cache-control"]) == ("12", "public, no-cache")
    assert second.headers["content-type"] == "application/json"
    assert "s3cret" not in repr(vars(cache.store))
    assert numbers.made == 3


async def test_a_client_with_the_answer_gets_a_304() -> None:
    """Its entity tag is strong, quoted, and the same whoever made the answer; a 304 has no body and no type."""
    _, cache, _, app = parts(60, scope="public", tags=["n"])
    async with client(app) as http:
        first = await http.get("/v1/n/a")
        tag = first.headers["etag"]
        assert tag.startswith('"')
        for sent in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            known = await http.get("/v1/n/a", headers={"if-none-match": sent})
            assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
            assert "content-type" not in known.headers
        assert (await http.get("/v1/n/a", headers={"if-none-match": '"other"'})).status_code == 200
        await cache.invalidate("n")
        assert (await http.get("/v1/n/a", headers={"if-none-match": tag})).json() == {"number": 2}


async def test_an_equal_answer_that_was_made_anew_is_a_304() -> None:
    """The client is spared the bytes, though the server was not."""
    router = APIRouter()

    @router.get("/same")
    @cached(60)
    async def same() -> str:
        return "same"

    async with client(app_with(Cache(), router)) as http:
        tag = (await http.get("/v1/same")).headers["etag"]
        again = await http.get("/v1/same", headers={"if-none-match": tag, "cache-control": "no-cache"})
        assert (again.status_code, again.headers["cache-status"]) == (304, "fastapi-kit; fwd=request; stored")


async def test_dependencies_run_before_an_answer_is_given() -> None:
    """Whoever may not call the endpoint is refused also when the answer is there."""
    router = APIRouter()

    @router.get("/mine")
    @cached(60)
    async def mine(user: User) -> str:
        return user

    async with client(app_with(Cache(), router)) as http:
        answers = [
            await http.get("/v1/mine", headers={"authorization": f"Bearer {name}"} if name else {})
            for name in ("ada", "bob", "ada", "bad", "")
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 401, 401]
    assert [answer.json() for answer in answers[:3]] == ["ada", "bob", "ada"]
    assert answers[2].headers["cache-status"].startswith("fastapi-kit; hit")
    assert answers[2].headers["cache-control"] == "private, no-cache"
    assert answers[2].headers["vary"] == "authorization, cookie"


@pytest.mark.parametrize("header", [{"authorization": "Bearer x"}, {"cookie": "session=x"}], ids=["token", "cookie"])
async def test_an_answer_of_somebody_unknown_is_not_shared(header: dict[str, str]) -> None:
    """Nobody has looked at the credentials, so nobody knows whose the answer is."""
    numbers, _, _, app = parts(60)
    async with client(app) as http:
        for made in (1, 2):
            answer = await http.get("/v1/n/a", headers=header)
            assert (answer.json(), answer.headers["cache-status"]) == ({"number": made}, "fastapi-kit; fwd=bypass")
        assert (await http.get("/v1/n/a")).json() == {"number": 3}
    assert numbers.made == 3


@pytest.mark.parametrize("policy", [{"vary": ["Accept-Language"], "scope": "public"}, {"vary": ["Accept-Language"]}])
async def test_each_value_of_a_varying_header_has_its_answer(policy: dict[str, Any]) -> None:
    """And caches on the way are told of it."""
    _, _, _, app = parts(60, **policy)
    async with client(app) as http:
        answers = [await http.get("/v1/n/a", headers={"accept-language": code}) for code in ("de", "fr", "de")]
    assert [answer.json()["number"] for answer in answers] == [1, 2, 1]
    assert "accept-language" in answers[2].headers["vary"]


async def test_clients_may_keep_what_they_are_told_to() -> None:
    """With `max_age` they need not ask."""
    _, _, _, app = parts(60, scope="public", max_age=30)
    async with client(app) as http:
        assert (await http.get("/v1/n/a")).headers["cache-control"] == "public, max-age=30"


@pytest.mark.parametrize(
    ("sent", "numbers"),
    [
        ("no-cache", [1, 2, 2]),
        ("no-store", [1, 2, 1]),
        ("max-age=0", [1, 2, 2]),
        ("max-age=100", [1, 1, 1]),
        ("min-fresh=70", [1, 2, 2]),
    ],
)
async def test_a_client_can_ask_for_a_younger_answer(sent: str, numbers: list[int]) -> None:
    """RFC 9111, section 5.2.1; the new answer is the next one's, too, unless it must not be stored."""
    _, _, clock, app = parts(60, scope="public")
    async with client(app) as http:
        got = [(await http.get("/v1/n/a")).json()["number"]]
        clock.advance(10)
        got.append((await http.get("/v1/n/a", headers={"cache-control": sent})).json()["number"])
        got.append((await http.get("/v1/n/a")).json()["number"])
    assert got == numbers


async def test_an_answer_is_made_anew_after_its_ttl() -> None:
    """Up to then it is given, from then on not."""
    _, _, clock, app = parts(60, scope="public")
    async with client(app) as http:
        assert (await http.get("/v1/n/a")).json() == {"number": 1}
        clock.advance(59.9)
        assert (await http.get("/v1/n/a")).json() == {"number": 1}
        clock.advance(0.2)
        assert (await http.get("/v1/n/a")).json() == {"number": 2}


async def test_a_stale_answer_is_given_while_a_new_one_is_made() -> None:
    """Nobody waits; the new answer is made by the whole route, once, with what the request came with."""
    router, clock, made = APIRouter(), FrozenClock(), count(1)
    gate = asyncio.Event()
    gate.set()

    @router.get("/mine")
    @cached(60, stale_while_revalidate=60)
    async def mine(user: User) -> str:
        await gate.wait()
        return f"{user} {next(made)}"

    async with client(app_with(Cache(clock=clock), router)) as http:
        http.headers["authorization"] = "Bearer ada"
        assert (await http.get("/v1/mine")).json() == "ada 1"
        clock.advance(61)
        gate.clear()
        async with asyncio.timeout(5):
            stale = [await http.get("/v1/mine") for _ in range(3)]
        assert [answer.json() for answer in stale] == ["ada 1"] * 3
        assert stale[0].headers["cache-status"] == "fastapi-kit; hit; ttl=-1"
        gate.set()
        await asyncio.sleep(0.05)
        assert (await http.get("/v1/mine")).json() == "ada 2"
        clock.advance(121)
        assert (await http.get("/v1/mine")).json() == "ada 3"


async def test_requests_at_once_make_one_answer() -> None:
    """All others wait for it."""
    router, made = APIRouter(), count(1)

    @router.get("/slow")
    @cached(60)
    async def slow() -> int:
        await asyncio.sleep(0.1)
        return next(made)

    async with client(app_with(Cache(), router)) as http:
        answers = await asyncio.gather(*(http.get("/v1/slow") for _ in range(200)))
    assert {answer.json() for answer in answers} == {1}


Endpoint = Callable[[int], Awaitable[Any]]


async def _fails(_: int) -> Any:
    raise NotFoundError


async def _sets_a_cookie(number: int) -> Any:
    response = JSONResponse(number)
    response.set_cookie("session", "x")
    return response


async def _is_private(number: int) -> Any:
    return JSONResponse(number, headers={"cache-control": "private"})


async def _is_not_to_be_stored(number: int) -> Any:
    return JSONResponse(number, headers={"cache-control": "no-store"})


async def _varies_by_more(number: int) -> Any:
    return JSONResponse(number, headers={"vary": "user-agent"})


async def _is_an_error(number: int) -> Any:
    return JSONResponse(number, status_code=503)


@pytest.mark.parametrize(
    "make", [_fails, _sets_a_cookie, _is_private, _is_not_to_be_stored, _varies_by_more, _is_an_error]
)
async def test_what_must_not_be_stored_is_not(make: Endpoint) -> None:
    """Each request has an answer of its own, those that have waited for the first one all at once."""
    router, made = APIRouter(), count(1)
    running = most = 0

    @router.get("/x")
    @cached(60, scope="public")
    async def endpoint() -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return await make(next(made))

    cache = Cache()
    async with client(app_with(cache, router)) as http:
        answers = await asyncio.gather(*(http.get("/v1/x") for _ in range(10)))
    assert next(made) == 11
    assert (len({answer.text for answer in answers}), most) == (10 if make is not _fails else 1, 9)
    assert isinstance(cache.store, MemoryCache)
    assert len(cache.store) == 0


async def test_a_stream_is_passed_on_and_stored_at_its_end() -> None:
    """It is not held back; one that is too long is not stored."""
    router, pieces = APIRouter(), asyncio.Queue[bytes]()

    @router.get("/stream")
    @cached(60)
    async def stream() -> StreamingResponse:
        async def source() -> AsyncIterator[bytes]:
            while piece := await pieces.get():
                yield piece

        return StreamingResponse(source(), media_type="text/plain")

    cache = Cache(max_entry_bytes=10)
    async with client(app_with(cache, router)) as http:
        for sent, hit in (([b"first", b"second"], False), ([b"ab", b"cd"], False), ([], True)):
            for piece in [*sent, b""]:
                pieces.put_nowait(piece)
            answer = await http.get("/v1/stream")
            assert answer.content == (b"".join(sent) or b"abcd")
            assert answer.headers["cache-status"].startswith("fastapi-kit; hit") is hit


async def test_head_is_answered_from_the_answer_to_get() -> None:
    """Without a body, and without being stored itself."""
    router, made = APIRouter(), count(1)

    @router.api_route("/x", methods=["GET", "HEAD"])
    @cached(60)
    async def endpoint() -> int:
        return next(made)

    async with client(app_with(Cache(), router)) as http:
        assert (await http.head("/v1/x")).headers["cache-status"] == "fastapi-kit; fwd=miss"
        assert (await http.get("/v1/x")).json() == 2
        head = await http.head("/v1/x")
        assert (head.content, head.headers["content-length"], head.headers["age"]) == (b"", "1", "0")


async def test_other_methods_and_parts_pass_by() -> None:
    """A decorated POST is called each time; so is a GET of a range."""
    router, made = APIRouter(), count(1)

    @router.api_route("/x", methods=["GET", "POST"])
    @cached(60, scope="public")
    async def endpoint(request: Request, response: Response) -> int:
        response.headers["x-method"] = request.method
        return next(made)

    async with client(app_with(Cache(), router), raise_app_exceptions=True) as http:
        assert [(await http.post("/v1/x")).json() for _ in range(2)] == [1, 2]
        assert [(await http.get("/v1/x", headers={"range": "bytes=0-1"})).json() for _ in range(2)] == [3, 4]
        answers: list[httpx2.Response] = [await http.get("/v1/x") for _ in range(2)]
    assert [(answer.json(), answer.headers["x-method"]) for answer in answers] == [(5, "GET")] * 2


async def test_a_sync_endpoint_is_called_in_a_thread() -> None:
    """As FastAPI does."""
    router = APIRouter()

    @router.get("/x")
    @cached(60)
    def endpoint(number: int) -> int:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return number

    async with client(app_with(Cache(), router)) as http:
        assert [(await http.get(f"/v1/x?number={n}")).json() for n in (7, 8, 7)] == [7, 8, 7]
        assert (await http.get("/v1/x?number=x")).status_code == 422


async def test_a_client_that_leaves_hands_its_turn_on() -> None:
    """The one who makes the answer is cancelled; another one makes it."""
    router, made = APIRouter(), count(1)

    @router.get("/slow")
    @cached(60)
    async def slow() -> int:
        number = next(made)
        await asyncio.sleep(0.1)
        return number

    async with client(app_with(Cache(), router)) as http:
        first = asyncio.create_task(http.get("/v1/slow"))
        await asyncio.sleep(0.02)
        others = [asyncio.create_task(http.get("/v1/slow")) for _ in range(5)]
        await asyncio.sleep(0.02)
        first.cancel()
        assert {answer.json() for answer in await asyncio.gather(*others)} == {2}


async def test_without_the_layer_it_says_so() -> None:
    """Nothing would be stored."""
    app = FastAPI()
    app.include_router(Numbers(60).router)
    async with client(app, raise_app_exceptions=True) as http:
        with pytest.raises(NoCacheError, match="add_middleware"):
            await http.get("/n/a")


def test_a_generator_is_refused() -> None:
    """Events have no end that could be stored."""
    with pytest.raises(TypeError, match="stream"):

        @cached(60)
        async def events() -> AsyncIterator[str]:
            yield "x"


async def test_other_routes_are_left_alone() -> None:
    """An answer that is not cached passes with the bytes and headers it has."""
    app = FastAPI()
    app.add_middleware(CacheMiddleware, cache=Cache())

    @app.get("/plain")
    async def plain() -> str:
        return "x"

    async with client(app) as http:
        assert dict((await http.get("/plain")).headers) == {"content-length": "3", "content-type": "application/json"}
