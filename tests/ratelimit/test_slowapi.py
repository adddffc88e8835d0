"""The adapter: slowapi's own examples with other import lines, and what is better than in slowapi."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import slowapi.util
from fastapi import APIRouter, FastAPI, Request, Response, WebSocket
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.testclient import WebSocketDenialResponse

from fastapi_kit.ratelimit import MemoryStore
from fastapi_kit.ratelimit.slowapi import (
    Limiter,
    RateLimitExceeded,
    SlowAPIASGIMiddleware,
    SlowAPIMiddleware,
    _rate_limit_exceeded_handler,  # pyright: ignore[reportPrivateUsage] -- slowapi's name
    get_ipaddr,
    get_remote_address,
)
from fastapi_kit.testing import client
from tests.redis_server import RedisServer, redis_server
from tests.services import require


def app_of(limiter: Limiter) -> FastAPI:
    """An app that is set up as slowapi's documentation says."""
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    return app


def statuses(app: Any, times: int, path: str = "/", method: str = "GET") -> list[int]:
    """What so many requests get."""
    with TestClient(app) as test:
        return [test.request(method, path).status_code for _ in range(times)]


def test_a_store_counts_although_it_is_empty() -> None:
    """The one that was given is used."""
    store = MemoryStore()
    limiter = Limiter(key_func=get_remote_address, store=store)
    app = app_of(limiter)

    @app.get("/")
    @limiter.limit("1/hour")
    async def home(request: Request) -> str:
        return "home"

    assert statuses(app, 2) == [200, 429]
    assert len(store) == 1


# slowapi's documentation


def test_quick_start_starlette() -> None:
    """The first example of the documentation."""
    limiter = Limiter(key_func=get_remote_address)
    app = Starlette()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]

    @limiter.limit("5/minute")
    async def homepage(request: Request) -> Response:
        return PlainTextResponse("test")

    app.add_route("/home", homepage)
    assert statuses(app, 6, "/home") == [200] * 5 + [429]


def test_quick_start_fastapi() -> None:
    """The second example: an endpoint that returns a response and one that does not."""
    limiter = Limiter(key_func=get_remote_address)
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]

    @app.get("/home")
    @limiter.limit("5/minute")
    async def home(request: Request) -> Response:
        return Response("test")

    @app.get("/mars")
    @limiter.limit("5/minute")
    async def mars(request: Request, response: Response) -> dict[str, str]:
        return {"key": "value"}

    for path in ("/home", "/mars"):
        assert statuses(app, 6, path) == [200] * 5 + [429]
    with TestClient(app) as test:
        refused = test.get("/mars")
    assert refused.json() == {"error": "Rate limit exceeded: 5 per 1 minute"}
    assert 11 <= int(refused.headers["retry-after"]) <= 12


@pytest.mark.parametrize("middleware", [SlowAPIMiddleware, SlowAPIASGIMiddleware])
def test_global_limit_and_exemption(middleware: Any) -> None:
    """Default limits hold for routes without a decorator, but for those that are exempt."""
    limiter = Limiter(key_func=get_remote_address, default_limits=["1/minute"])
    app = Starlette()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    app.add_middleware(middleware)

    async def homepage(request: Request) -> Response:
        return PlainTextResponse("Only once per minute")

    @limiter.exempt
    def unlimited(request: Request) -> Response:
        return PlainTextResponse("I'm unlimited")

    app.add_route("/home", homepage)
    app.add_route("/someroute", unlimited)
    assert statuses(app, 2, "/home") == [200, 429]
    assert statuses(app, 3, "/someroute") == [200] * 3
    assert statuses(app, 3, "/nowhere") == [404] * 3


def test_disabled() -> None:
    """A limiter can be switched off and on."""
    limiter = Limiter(key_func=get_remote_address, enabled=False)
    app = app_of(limiter)
    app.get("/")(limiter.limit("1/minute")(endpoint))
    assert statuses(app, 3) == [200] * 3
    limiter.enabled = True
    assert statuses(app, 3) == [200, 429, 429]


def test_custom_cost() -> None:
    """A function of the request says what it costs."""

    def get_hit_cost(request: Request) -> int:
        return int(request.query_params.get("cost", "1"))

    limiter = Limiter(key_func=get_remote_address)
    app = app_of(limiter)

    @app.get("/")
    @limiter.limit("100/minute", cost=get_hit_cost)
    def t(request: Request) -> str:
        return "I'm limited by the request size"

    with TestClient(app) as test:
        assert [test.get(f"/?cost={cost}").status_code for cost in (60, 60, 40)] == [200, 429, 200]


@pytest.mark.parametrize(("style", "second"), [("url", 200), ("endpoint", 429)])
def test_key_style(style: Any, second: int) -> None:
    """With `url` each path counts for itself, with `endpoint` they count together."""
    limiter = Limiter(key_func=lambda: "mock", default_limits=["1/minute"], key_style=style)
    app = app_of(limiter)
    app.add_middleware(SlowAPIMiddleware)

    @app.get("/some_route/{some_param}")
    async def my_func(some_param: str) -> str:
        return some_param

    with TestClient(app) as test:
        assert [test.get(f"/some_route/{it}").status_code for it in ("a", "b")] == [200, second]


# the rest of its interface


async def endpoint(request: Request) -> str:
    """An endpoint."""
    return "hello"


def test_decorators_add_up_and_scopes_are_shared() -> None:
    """Several limits on one endpoint hold together; a shared one counts for all its endpoints."""
    limiter = Limiter(key_func=get_remote_address)
    app = app_of(limiter)

    @app.get("/a")
    @limiter.limit("3/minute")
    @limiter.limit("2/hour")
    async def a(request: Request) -> None: ...

    shared = limiter.shared_limit("3/minute", scope="together")
    for path in ("/b", "/c"):

        async def each(request: Request) -> None: ...

        app.get(path)(shared(each))
    assert statuses(app, 3, "/a") == [200, 200, 429]
    assert statuses(app, 2, "/b") + statuses(app, 2, "/c") == [200, 200, 200, 429]


def test_methods_exemptions_messages_and_limits_of_the_moment() -> None:
    """Limits may be for some methods, for each apart, for some requests; the text may be a function of the key."""

    def by_user(request: Request) -> str:
        return request.headers.get("x-user", "nobody")

    def is_admin(request: Request) -> bool:
        return "x-admin" in request.headers

    def for_user(key: str) -> str:
        return "2/minute" if key == "ada" else "1/minute"

    limiter = Limiter(key_func=by_user)
    app = app_of(limiter)

    @limiter.limit("1/minute", methods=["POST"])
    async def only(request: Request) -> None: ...

    @limiter.limit("1/minute", per_method=True, error_message=lambda: "enough")
    async def apart(request: Request) -> None: ...

    @limiter.limit("1/minute", exempt_when=is_admin)
    async def exempt(request: Request) -> None: ...

    @limiter.limit(for_user)
    async def moment(request: Request) -> None: ...

    for function in (only, apart, exempt, moment):
        app.add_api_route(f"/{function.__name__}", function, methods=["GET", "POST"])
    with TestClient(app) as test:

        def get(path: str, method: str = "GET", **headers: str) -> int:
            return test.request(
                method, path, headers={f"x-{name}": value for name, value in headers.items()}
            ).status_code

        assert [get("/only"), get("/only"), get("/only", "POST"), get("/only", "POST")] == [200, 200, 200, 429]
        assert [get("/apart"), get("/apart", "POST"), get("/apart")] == [200, 200, 429]
        assert test.get("/apart").json() == {"error": "Rate limit exceeded: enough"}
        assert [get("/exempt"), get("/exempt", admin="1"), get("/exempt")] == [200, 200, 429]
        assert [get("/moment", user="ada") for _ in range(3)] == [200, 200, 429]
        assert [get("/moment") for _ in range(2)] == [200, 429]


def test_defaults_beside_a_decorator_and_limits_of_the_application() -> None:
    """Defaults are added where a decorator says so; the application's limits hold for all routes together."""
    limiter = Limiter(get_remote_address, default_limits=["1/minute"], application_limits=["3/minute"])
    app = app_of(limiter)
    app.add_middleware(SlowAPIMiddleware)

    @app.get("/both")
    @limiter.limit("5/minute", override_defaults=False)
    async def both(request: Request) -> None: ...

    @app.get("/own")
    @limiter.limit("5/minute")
    async def own(request: Request) -> None: ...

    assert statuses(app, 1, "/both") == [200]
    assert statuses(app, 1, "/own") == [200]
    assert statuses(app, 1, "/both") == [429]  # by the default
    assert statuses(app, 1, "/own") == [429]  # by the application


def test_reset() -> None:
    """What was counted is forgotten."""
    limiter = Limiter(get_remote_address)
    app = app_of(limiter)
    app.get("/")(limiter.limit("1/minute")(endpoint))
    assert statuses(app, 2) == [200, 429]
    limiter.reset()
    assert statuses(app, 2) == [200, 429]


def test_slowapis_own_handler_and_error_work() -> None:
    """Those who change the one line that imports `Limiter` keep slowapi's handler and its exception."""
    from slowapi import _rate_limit_exceeded_handler as theirs  # noqa: PLC0415
    from slowapi.errors import RateLimitExceeded as Theirs  # noqa: PLC0415

    limiter = Limiter(get_remote_address, headers_enabled=True)
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(Theirs, theirs)  # type: ignore[arg-type]
    app.get("/")(limiter.limit("1/minute")(endpoint))
    with TestClient(app) as test:
        test.get("/")
        refused = test.get("/")
    assert (refused.status_code, refused.json()) == (429, {"error": "Rate limit exceeded: 1 per 1 minute"})
    assert refused.headers["x-ratelimit-limit"] == "1"


def test_slowapis_own_middleware_is_refused() -> None:
    """It cannot wait for a store, so it says what to import instead of letting everything pass."""
    from slowapi.middleware import SlowAPIMiddleware as Theirs  # noqa: PLC0415

    app = app_of(Limiter(get_remote_address, default_limits=["1/minute"]))
    app.add_middleware(Theirs)
    app.get("/")(endpoint)
    with pytest.raises(RuntimeError, match=r"fastapi_kit\.ratelimit\.slowapi"), TestClient(app) as test:
        test.get("/")


# slowapi's defects


def test_headers_are_correct() -> None:
    """Every answer tells the quota, once; `Retry-After` is on refusals alone and is when the request passes."""
    limiter = Limiter(get_remote_address, headers_enabled=True)
    app = app_of(limiter)

    @app.get("/")
    @limiter.limit("2/minute")
    @limiter.limit("100/hour")
    async def both(request: Request, response: Response) -> str:
        return "hello"

    with TestClient(app) as test:
        answers = [test.get("/") for _ in range(3)]
    assert [it.headers["x-ratelimit-limit"] for it in answers] == ["2"] * 3
    assert [it.headers["x-ratelimit-remaining"] for it in answers] == ["1", "0", "0"]
    assert abs(int(answers[2].headers["x-ratelimit-reset"]) - time.time() - 60) < 3
    assert answers[0].headers["ratelimit-policy"] == '"100/hour";q=100;w=3600, "2/minute";q=2;w=60'
    assert ["retry-after" in it.headers for it in answers] == [False, False, True]
    assert 29 <= int(answers[2].headers["retry-after"]) <= 30
    assert all(len(it.headers.get_list("x-ratelimit-limit")) == 1 for it in answers)


def test_an_endpoint_without_a_response_argument_is_no_error() -> None:
    """Slowapi raises there, which is a 500, once headers are enabled."""
    limiter = Limiter(get_remote_address, headers_enabled=True)
    app = app_of(limiter)
    app.get("/")(limiter.limit("1/minute")(endpoint))
    assert statuses(app, 2) == [200, 429]


def test_included_and_mounted_routes_are_limited() -> None:
    """Slowapi's middlewares limit nothing there."""
    limiter = Limiter(get_remote_address, default_limits=["1/minute"])
    app = app_of(limiter)
    app.add_middleware(SlowAPIMiddleware)
    router, inner = APIRouter(), FastAPI()
    router.get("/x")(endpoint)
    inner.get("/x")(endpoint)
    app.include_router(router, prefix="/included")
    app.mount("/mounted", inner)
    assert statuses(app, 2, "/included/x") == [200, 429]
    assert statuses(app, 2, "/mounted/x") == [200, 429]


def test_a_limit_that_cannot_be_read_is_an_error() -> None:
    """Slowapi logs it and lets everything pass."""
    limiter = Limiter(get_remote_address)
    with pytest.raises(ValueError, match="5/minute"):
        limiter.limit("5/fortnight")
    with pytest.raises(ValueError, match="memory://"):
        Limiter(get_remote_address, storage_uri="memcached://localhost")
    with pytest.raises(ValueError, match="strategy"):
        Limiter(get_remote_address, strategy="leaky")
    with pytest.raises(TypeError, match="request or websocket"):
        limiter.limit("5/minute")(lambda: None)


@pytest.mark.parametrize("key_func", [get_ipaddr, slowapi.util.get_ipaddr], ids=["ours", "slowapi's"])
def test_a_client_cannot_name_its_own_address(key_func: Any) -> None:
    """`get_ipaddr` of slowapi believes a header, and a new value each time is a new quota each time."""
    limiter = Limiter(key_func=key_func)
    app = app_of(limiter)
    app.get("/")(limiter.limit("1/minute")(endpoint))
    with TestClient(app) as test:
        found = [test.get("/", headers={"X_FORWARDED_FOR": f"10.0.0.{number}"}).status_code for number in range(2)]
    assert found == [200, 429]


def test_websockets_are_limited() -> None:
    """Slowapi does not support them."""
    limiter = Limiter(get_remote_address)
    app = app_of(limiter)

    @app.websocket("/ws")
    @limiter.limit("1/minute")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    with TestClient(app) as test:
        with test.websocket_connect("/ws"):
            pass
        with pytest.raises(WebSocketDenialResponse) as refused, test.websocket_connect("/ws"):
            pass
    assert refused.value.status_code == 429


def test_streams_are_not_held_up() -> None:
    """The first part of a stream is there before the last; `SlowAPIASGIMiddleware` breaks streams."""
    limiter = Limiter(get_remote_address, default_limits=["9/minute"], headers_enabled=True)
    app = app_of(limiter)
    app.add_middleware(SlowAPIASGIMiddleware)

    @app.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        return StreamingResponse(parts())

    with TestClient(app) as test:
        answer = test.get("/")
    assert (answer.content, answer.headers["x-ratelimit-remaining"]) == (b"onetwo", "8")


@pytest.mark.redis
@pytest.mark.filterwarnings("ignore:unclosed", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_redis_without_a_lifespan() -> None:
    """Each request of a test client has a loop of its own then; slowapi's synchronous store did not mind."""
    limiter = Limiter(get_remote_address, storage_uri=require("redis"), key_prefix=str(uuid4()))
    app = app_of(limiter)
    app.get("/")(limiter.limit("2/minute")(endpoint))
    test = TestClient(app)
    assert [test.get("/").status_code for _ in range(3)] == [200, 200, 429]

    async def on_a_loop_that_closes() -> int:
        async with client(app) as http, limiter.lifespan(app):
            return (await http.get("/")).status_code

    # FastAPI caches what it knows of endpoints, so the limiter outlives the test: it shall hold no open connection.
    assert asyncio.run(on_a_loop_that_closes()) == 200  # from another address than the test client has
    gc.collect()  # what the loops have left behind, while their warnings are expected


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may stop."""
    with redis_server(tmp_path) as server:
        yield server


OUTAGES = [
    pytest.param({"swallow_errors": True}, [200, 200, 200], id="swallowed"),
    pytest.param({"in_memory_fallback_enabled": True}, [200, 200, 429], id="in memory"),
    pytest.param({"in_memory_fallback": ["1/minute"]}, [200, 429, 429], id="in memory by other limits"),
    pytest.param({}, [503, 503, 503], id="nothing said"),
]


@pytest.mark.redis
@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["stopped", "hung"])
@pytest.mark.parametrize(("options", "expected"), OUTAGES)
async def test_without_redis(server: RedisServer, options: dict[str, Any], expected: list[int], kind: str) -> None:
    """What was configured happens, where slowapi answers 500 and a hung server stalls the loop for ten seconds."""
    limiter = Limiter(get_remote_address, storage_uri=server.url, storage_options={"timeout": 0.3}, **options)
    app = app_of(limiter)
    app.get("/")(limiter.limit("2/minute")(endpoint))
    app.get("/free")(lambda: None)
    async with client(app) as http, limiter.lifespan(app):
        (server.stop if kind == "stopped" else server.hang)()
        started = time.monotonic()
        first = asyncio.create_task(http.get("/"))
        await http.get("/free")
        assert time.monotonic() - started < 0.25
        found = [(await first).status_code, *[(await http.get("/")).status_code for _ in range(2)]]
        assert time.monotonic() - started < 0.6
    assert found == expected


@pytest.mark.redis
@pytest.mark.anyio
async def test_a_distant_redis_blocks_nobody(server: RedisServer) -> None:
    """While limited requests wait for Redis others are served."""
    limiter = Limiter(get_remote_address, storage_uri=server.url, storage_options={"timeout": 5.0})
    app = app_of(limiter)
    app.get("/")(limiter.limit("2/minute")(endpoint))
    app.get("/free")(lambda: None)
    async with client(app) as http, limiter.lifespan(app):
        server.hang()
        waiting = asyncio.create_task(http.get("/"))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        for _ in range(5):
            assert (await http.get("/free")).status_code == 200
        assert time.monotonic() - started < 0.5
        assert not waiting.done()
        server.go_on()
        assert (await waiting).status_code == 200
