"""What type checkers know of the public names; each statement is checked by mypy and pyright, and runs."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, assert_type
from uuid import UUID

import httpx2
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import ColumnElement, Connection, Integer, column
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapped

from fastapi_kit.auth import (
    Auth,
    Authentication,
    AuthTables,
    Claims,
    Codec,
    CurrentUser,
    Key,
    KeyRing,
    MemoryUserStore,
    OutsideIssuer,
    PasswordHasher,
    RefreshDigest,
    RefreshToken,
    Required,
    Rotation,
    SQLTokenStore,
    SQLUserStore,
    TokenStore,
    User,
    UserColumns,
    UserStore,
    Verification,
)
from fastapi_kit.cache import Cache, CachePolicy, CacheStore, MemoryCache, StoredAnswer, cached
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.concurrency import AfterResponse
from fastapi_kit.crud import CRUDRouter, Repository, import_rows
from fastapi_kit.db import Base, Database, PoolUsage, SessionDep, Timestamps, UUIDKey, uuid7
from fastapi_kit.errors import Answers, NotFoundError
from fastapi_kit.idempotency import Beginning, Begun, Idempotency, IdempotencyStore, MemoryIdempotency, SQLIdempotency
from fastapi_kit.idempotency.redis import RedisIdempotency
from fastapi_kit.locks import Held, LockStore, MemoryLocks, lock
from fastapi_kit.locks.redis import RedisLocks
from fastapi_kit.metrics import Metrics
from fastapi_kit.pagination import CursorCodec, CursorPart, Page, Position, SortKey, beyond, binding_of, ordering
from fastapi_kit.ratelimit import Decision, LimitStore, MemoryStore, RateLimit, Rules, parse_rules
from fastapi_kit.ratelimit.redis import RedisStore
from fastapi_kit.ratelimit.slowapi import Limiter
from fastapi_kit.redis import BreakerState, RedisClient, RedisDep
from fastapi_kit.schemas import Schema, partial
from fastapi_kit.security import CORS, page_policy
from fastapi_kit.settings import Settings
from fastapi_kit.testing import FrozenClock, client, rolled_back


class City(UUIDKey, Timestamps, Base):
    """A model with mixins."""

    __tablename__ = "typed_city"
    name: Mapped[str]


class Member(UUIDKey, UserColumns, Base):
    """A user of an app's own."""

    __tablename__ = "typed_member"


class CityPatch(Schema):
    """A schema."""

    name: str


def of_models(city: City) -> None:
    """Mixins give typed columns."""
    assert_type(city.id, UUID)
    assert_type(city.created_at, datetime)


async def of_sessions(session: SessionDep, database: Database) -> None:
    """The dependency is a session; a unit of work keeps its type."""
    assert_type(session, AsyncSession)
    assert_type(database.engine, AsyncEngine)
    assert_type(await database.run(_count), int)
    assert_type(await database.repeat(_load), City | None)
    assert_type(await import_rows(session, City, [{"name": "Paris"}], on_conflict="skip"), int)


async def of_upserts(session: AsyncSession, cities: CRUDRouter[City]) -> None:
    """A repository gives instances of its model; a key is a name or several."""
    repository = cities.repository(session)
    assert_type(repository, Repository[City])
    assert_type(await repository.upsert({"name": "Paris"}, key="name"), City)
    assert_type(await repository.upsert_many([{"name": "Paris"}], key=["name"], update={"name"}), Sequence[City])


async def _load(session: AsyncSession) -> City | None:
    return await session.get(City, uuid7())


async def of_redis(redis: RedisDep) -> None:
    """The dependency is the client; what a command answers is its caller's to know."""
    assert_type(redis, RedisClient)
    assert_type(redis.breaker.state, BreakerState)
    assert_type(await redis.run("GET", "key"), Any)
    assert_type(await redis.ping(), None)


async def of_limits(redis: RedisClient) -> None:
    """Every store is a `LimitStore` or `LockStore`; slowapi's decorator keeps the type of what it decorates."""
    stores: list[LimitStore] = [MemoryStore(), RedisStore(redis)]
    assert_type(await stores[0].spend("key", parse_rules("1/minute"), 1), Decision)
    assert_type(RateLimit("5/minute", cost=2).parsed, Rules)
    assert_type(Limiter(str).limit("5/minute")(_positional), Callable[[Connection], int])
    locks: list[LockStore] = [MemoryLocks(), RedisLocks(redis)]
    async with lock(locks[0], "name") as held:
        assert_type(held, Held)
        assert_type(held.token, int)


def _positional(connection: Connection, /) -> int:
    return 0


@cached(60, tags=["city"], scope="public")
async def cached_cities(limit: int) -> list[str]:
    """A cached endpoint."""
    return ["Paris"][:limit]


async def of_caches(redis: RedisClient) -> None:
    """A decorated endpoint keeps its type; stores are stores."""
    assert_type(await cached_cities(1), list[str])
    stores: list[CacheStore] = [MemoryCache(), RedisCache(redis)]
    assert_type(Cache(stores[0]).store, CacheStore)
    assert_type(await stores[0].read("key", []), StoredAnswer | None)
    assert_type(CachePolicy(60).cache_control, bytes)


async def of_idempotency(redis: RedisClient, session: AsyncSession) -> None:
    """A protected endpoint keeps its type; stores are stores, that of a transaction, too."""
    records = SQLIdempotency(Base.metadata, table="typed_records")
    idempotency = Idempotency(records, required=True)
    assert_type(idempotency.route_class, type[APIRoute])

    @idempotency.protected
    async def endpoint(request: Request) -> Response:
        return Response(request.url.path)

    assert_type(await endpoint(Request({"type": "http"})), Response)
    stores: list[IdempotencyStore] = [MemoryIdempotency(), RedisIdempotency(redis), records.on(session)]
    beginning = await stores[0].begin("key", "fingerprint", 10)
    assert_type(beginning, Beginning)
    if isinstance(beginning, Begun):
        assert_type(await stores[0].renew(beginning, 10), bool)


def _count(connection: Connection) -> int:
    return len(connection.exec_driver_sql("SELECT 1").all())


def test_constructors() -> None:
    """What is made has the type that its name says."""
    assert_type(uuid7(), UUID)
    assert_type(partial(CityPatch), type[CityPatch])
    assert_type(Page[int](items=[1]).items, list[int])
    assert_type(FrozenClock().now(), datetime)
    assert_type(Settings(port=1).port, int)
    assert_type(CRUDRouter(City, prefix="/cities"), CRUDRouter[City])
    assert_type(Answers(translate={LookupError: lambda _: NotFoundError()}).type_base, str | None)
    assert_type(AfterResponse().add_task(print, "done", end=""), None)


def test_the_edge() -> None:
    """Policies are text and arguments; an exposition is bytes and their media type."""
    database, metrics = Database("sqlite://"), Metrics()
    assert_type(database.pool_usage(), PoolUsage)
    metrics.watch_pool("main", database.pool_usage)
    assert_type(metrics.exposition(), tuple[bytes, str])
    assert_type(page_policy(""), str)
    assert_type(CORS(origins=["https://a.example"]).options(), dict[str, Any])


def test_pages_by_key() -> None:
    """Conditions and orders are SQLAlchemy's; a cursor is text for clients, and a position on the way back."""
    keys = [SortKey(column("id", Integer()), descending=False, nullable=False)]
    assert_type(beyond(keys, [False]), ColumnElement[bool])
    assert_type(ordering(keys), list[ColumnElement[Any]])
    codec, binding = CursorCodec((CursorPart(int, int),)), binding_of("cities")
    token = codec.encode((1,), binding)
    assert_type(token, str)
    assert_type(codec.decode(token, binding), Position)


async def of_the_client(database: Database) -> None:
    """A test's client is httpx2's."""
    async with rolled_back(database), client(FastAPI()) as api:
        assert_type(api, httpx2.AsyncClient)


def of_tokens(codec: Codec, ring: KeyRing) -> None:
    """A codec turns claims into text and text into claims, and claims are typed."""
    assert_type(codec.encode(Claims(sub="7", exp=2, iat=1, jti="a")), str)
    claims = codec.decode("")
    assert_type(claims, Claims)
    assert_type((claims.sub, claims.exp, claims.scope), tuple[str, int, tuple[str, ...]])
    assert_type(ring.jwks(), dict[str, list[dict[str, str]]])
    assert_type(ring.signing, Key | None)


async def of_those_who_log_in(issuer: OutsideIssuer, hasher: PasswordHasher) -> None:
    """An outside issuer gives the same claims, and a hasher text and a verdict."""
    assert_type(await issuer.decode(""), Claims)
    assert_type(await hasher.hash(""), str)
    assert_type(await hasher.verify("", None), Verification)


async def of_users(request: Request, tokens: TokenStore, database: Database) -> None:
    """Whose user it is, is known to what `Auth` gives."""
    users: UserStore[Member] = SQLUserStore(database, Member)
    auth = Auth(Key.generate(), users=users, tokens=tokens)
    assert_type(auth, Auth[Member])
    assert_type(auth.current_user(), CurrentUser[Member])
    assert_type(auth.require("read"), Required[Member])
    assert_type(await auth.authentication(request), Authentication[Member])
    assert_type(await users.get("1"), Member | None)
    assert_type((await users.get("1") or Member()).email, str)


async def of_sessions_of_users(database: Database) -> None:
    """A store is one by its methods."""
    in_memory: UserStore[User] = MemoryUserStore()
    assert_type(await in_memory.find("ann@example.com"), User | None)
    store: TokenStore = SQLTokenStore(database, AuthTables(Base.metadata, prefix="typed_"))
    token = RefreshToken.new("id")
    assert_type(token.digest, RefreshDigest)
    assert_type(await store.rotate(token.digest, "b", now=datetime.now(UTC)), Rotation)
