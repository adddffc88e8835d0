"""What it costs to know who asks: the same endpoint for everybody, and for a user with a token."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, FastAPI

from benchmarks._driver import Call, running
from benchmarks._measure import added, measure
from benchmarks._mode import Mode, Say
from benchmarks._report import Row, within
from benchmarks._work import Repeated, sending
from fastapi_kit.auth import (
    Auth,
    Claims,
    Codec,
    Key,
    LoginSession,
    MemoryTokenStore,
    MemoryUserStore,
    NewUser,
    RefreshToken,
    User,
)
from fastapi_kit.lifespan import compose

MOST = 60.0
"""Microseconds of CPU time that an authenticated request may cost beyond an anonymous one."""


async def requests(mode: Mode, say: Say) -> list[Row]:
    """The difference between a request with a token and one without, in microseconds of CPU time."""
    say("auth.request")
    async with _contenders() as contenders:
        samples = await measure(contenders, mode.pace)
    more = added(samples["known"], samples["anonymous"])
    return [within("auth.request.added_cpu", more, "60 µs", MOST, mode.allowance)]


@asynccontextmanager
async def _contenders() -> AsyncGenerator[dict[str, Repeated]]:
    codec = Codec(Key.generate())
    users, tokens = MemoryUserStore(), MemoryTokenStore()
    auth: Auth[User] = Auth(codec, users=users, tokens=tokens)
    token = await _token(codec, users, tokens)
    header = (b"authorization", f"Bearer {token}".encode())
    async with AsyncExitStack() as stack:
        anonymous = await stack.enter_async_context(running(_anonymous()))
        known = await stack.enter_async_context(running(_authenticated(auth)))
        yield {
            "known": await sending(known, Call("GET", "/", headers=(header,))),
            "anonymous": await sending(anonymous, Call("GET", "/")),
        }


async def _token(codec: Codec, users: MemoryUserStore, tokens: MemoryTokenStore) -> str:
    """The access token of a session, as a login gives it."""
    user = await users.add(NewUser("ann@example.com", None))
    now = codec.clock.now()
    session = LoginSession("s" * 22, user.id, (), now, now, now + timedelta(days=1))
    await tokens.open(session, RefreshToken.new(session.id).digest)
    claims = Claims.issue(
        user.id, now=now, lifetime=timedelta(hours=1), auth_time=int(now.timestamp()), extra={"sid": session.id}
    )
    return codec.encode(claims)


def _anonymous() -> FastAPI:
    app = FastAPI(lifespan=compose())

    @app.get("/")
    async def root() -> str:
        return "ann@example.com"

    return app


def _authenticated(auth: Auth[User]) -> FastAPI:
    app = FastAPI(lifespan=compose())

    @app.get("/")
    async def root(user: Annotated[User, Depends(auth.current_user())]) -> str:
        return user.email

    return app
