"""A request with CORS, compression and a body limit around it, by the kit's layers and by Starlette's."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware as StarletteCORS
from starlette.middleware.gzip import GZipMiddleware as StarletteGZip

from benchmarks._driver import Call, running
from benchmarks._work import Repeated, sending
from fastapi_kit.compression import GZipMiddleware
from fastapi_kit.errors import Answers
from fastapi_kit.errors._body_limit import BodyLimitMiddleware
from fastapi_kit.security import CORS, CORSMiddleware

ORIGIN = "https://app.bench.test"
ITEM = Call("GET", "/items/7", headers=((b"origin", ORIGIN.encode()), (b"accept-encoding", b"gzip")))
LARGEST = 1_048_576

POLICY = CORS(origins=[ORIGIN])
OURS = (
    Middleware(CORSMiddleware, policy=POLICY),
    Middleware(GZipMiddleware),
    Middleware(BodyLimitMiddleware, max_body_size=LARGEST, answers=Answers()),
)
THEIRS = (
    Middleware(StarletteCORS, **POLICY.options()),
    Middleware(StarletteGZip, minimum_size=1_000),
    Middleware(RequestBodyLimitMiddleware, max_body_size=LARGEST),
)


@asynccontextmanager
async def edges() -> AsyncGenerator[Mapping[str, Repeated]]:
    """All of ours, all of theirs, ours with one of theirs in its place, and none."""
    async with AsyncExitStack() as stack:
        contenders: dict[str, Repeated] = {}
        for name, around in {
            "the kit's three layers": OURS,
            "Starlette's three layers": THEIRS,
            "the kit's, with Starlette's for CORS": (THEIRS[0], OURS[1], OURS[2]),
            "the kit's, with Starlette's for gzip": (OURS[0], THEIRS[1], OURS[2]),
            "the kit's, with Starlette's for bodies": (OURS[0], OURS[1], THEIRS[2]),
            "none": (),
        }.items():
            contenders[name] = await sending(await stack.enter_async_context(running(_app(around))), ITEM)
        yield contenders


def _app(around: Sequence[Middleware]) -> FastAPI:
    app = FastAPI(middleware=around)

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        return item

    return app
