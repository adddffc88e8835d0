"""An app with accounts, and how tests talk to it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx2
from fastapi import Depends, FastAPI

from fastapi_kit.auth import (
    Argon2,
    AuditEvent,
    Auth,
    AuthOptions,
    Codec,
    Key,
    Mail,
    MemoryAPIKeyStore,
    MemoryTokenStore,
    MemoryUserStore,
    NewUser,
    PasswordHasher,
    Permissions,
    get_current_active_user,
    get_current_user,
)
from fastapi_kit.errors import install
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import FrozenClock, client

KEY = Key.hmac("k" * 32)
PASSWORD = "correct horse battery"
OTHER_PASSWORD = "another long phrase"
PERMISSIONS = Permissions(
    scopes={"books:read": "Read books", "books:write": "Change books"},
    roles={"reader": {"books:read"}, "editor": {"books:read", "books:write"}},
)
CHEAP = Argon2(memory_kib=64, time_cost=1, parallelism=1)


@dataclass
class Service:
    """An app with accounts in memory, what it has mailed, and what it has told of."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    mails: list[Mail] = field(default_factory=list[Mail])
    events: list[AuditEvent] = field(default_factory=list[AuditEvent])
    parts: dict[str, Any] = field(default_factory=dict[str, Any])
    auth: Auth[Any] = field(init=False)
    users: MemoryUserStore = field(init=False)

    def __post_init__(self) -> None:
        self.users = MemoryUserStore()
        given: dict[str, Any] = {
            "codec": Codec(KEY, clock=self.clock),
            "users": self.users,
            "tokens": MemoryTokenStore(),
            "api_keys": MemoryAPIKeyStore(),
            "hasher": PasswordHasher(CHEAP, legacy=(), deadline=0.001),
            "permissions": PERMISSIONS,
            "options": AuthOptions(default_roles=("reader",)),
            "mail": self.mail,
            "audit": self.hear,
            **self.parts,
        }
        self.auth = Auth(given.pop("codec"), **given)

    async def mail(self, mail: Mail) -> None:
        """Keep a mail."""
        self.mails.append(mail)

    async def hear(self, event: AuditEvent) -> None:
        """Keep an event."""
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        """What was told of."""
        return [event.kind for event in self.events]

    async def add(self, email: str = "ann@example.com", *roles: str, password: str = PASSWORD) -> Any:
        """A user who can log in."""
        hashed = await self.auth.parts.hasher.hash(password)
        return await self.auth.parts.users.add(NewUser(email, hashed, roles=roles or ("reader",)))

    def app(self) -> FastAPI:
        """The app."""
        auth = self.auth
        app = FastAPI(lifespan=compose(auth.lifespan))
        install(app)
        app.include_router(auth.router())

        @app.get("/mine")
        async def mine(user: Annotated[Any, Depends(auth.current_user())]) -> str:
            return str(user.email)

        @app.post("/mine")
        async def change(user: Annotated[Any, Depends(auth.current_user())]) -> str:
            return str(user.email)

        @app.get("/maybe")
        async def maybe(user: Annotated[Any, Depends(auth.current_user(optional=True))]) -> str | None:
            return None if user is None else str(user.email)

        @app.get("/reference")
        async def reference(user: Annotated[Any, Depends(get_current_active_user)]) -> str:
            return str(user.email)

        @app.get("/anybody")
        async def anybody(user: Annotated[Any, Depends(get_current_user)]) -> str:
            return str(user.email)

        @app.get("/books", dependencies=[Depends(auth.require("books:read"))])
        async def books() -> str:
            return "books"

        @app.post("/books", dependencies=[Depends(auth.require("books:write"))])
        async def add_book() -> str:
            return "written"

        @app.get("/editors", dependencies=[Depends(auth.require(roles={"editor", "admin"}))])
        async def editors() -> str:
            return "editors"

        @app.get("/fresh", dependencies=[Depends(auth.require(fresh=auth.parts.options.fresh_for))])
        async def fresh() -> str:
            return "fresh"

        return app

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[httpx2.AsyncClient]:
        """A client of the running app; over HTTPS, as cookies want it."""
        async with client(self.app(), base_url="https://test") as api:
            yield api


async def log_in(api: httpx2.AsyncClient, email: str = "ann@example.com", **more: str) -> dict[str, Any]:
    """The tokens of a user."""
    response = await api.post("/auth/token", data={"username": email, "password": PASSWORD, **more})
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens


def bearer(token: str | dict[str, Any]) -> dict[str, str]:
    """The header of an access token, or of the tokens that it is among."""
    return {"Authorization": f"Bearer {token if isinstance(token, str) else token['access_token']}"}
