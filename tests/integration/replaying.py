"""An app of several processes that share a cache on Redis, and records of requests on Redis or in a database."""

import asyncio
import os
import signal
from typing import Annotated

from fastapi import APIRouter, FastAPI, Header
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, mapped_column

from fastapi_kit.cache import Cache, CacheMiddleware, cached
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.db import Base, Database, SessionDep, after_commit
from fastapi_kit.errors import install
from fastapi_kit.idempotency import Idempotency, SQLIdempotency
from fastapi_kit.idempotency.redis import RedisIdempotency
from fastapi_kit.lifespan import compose
from fastapi_kit.redis import RedisClient

prefix = os.environ["PREFIX"]
redis = RedisClient(os.environ["REDIS_URL"], timeout=5)  # patient, as machines that run tests are busy
database = Database(os.environ["DATABASE_URL"])
cache = Cache(RedisCache(redis, prefix=f"{prefix}:cache"))
in_transaction = Idempotency(SQLIdempotency(Base.metadata, table="replaying_records"))
on_redis = Idempotency(RedisIdempotency(redis, prefix=f"{prefix}:keys"))


class Row(Base):
    """A row."""

    __tablename__ = "replaying_rows"
    id: Mapped[int] = mapped_column(primary_key=True)
    process: Mapped[int]


async def write(session: SessionDep, x_crash: Annotated[str, Header()] = "") -> dict[str, int]:
    """Make a row; or die when it has been committed, before the answer is sent."""
    row = Row(process=os.getpid())
    session.add(row)
    await session.flush()
    await asyncio.sleep(0.05)
    if x_crash:
        after_commit(session, die)
    return {"id": row.id}


async def die() -> None:
    """What a process does that runs out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


app = FastAPI(lifespan=compose(redis.lifespan, database.lifespan, cache.lifespan))
app.add_middleware(CacheMiddleware, cache=cache)
install(app)
for path, idempotency in (("/sql", in_transaction), ("/redis", on_redis)):
    router = APIRouter(route_class=idempotency.route_class)
    router.post(path, status_code=201)(write)
    app.include_router(router)


@app.get("/health")
async def health() -> str:
    """That it serves."""
    return "ok"


@app.get("/slow")
@cached(60, scope="public")
async def slow() -> int:
    """How often it was called, in all processes."""
    calls: int = await redis.run("INCR", f"{prefix}:calls")
    await asyncio.sleep(0.5)
    return calls


@app.get("/rows")
async def rows(session: SessionDep) -> int:
    """How many rows there are."""
    return (await session.execute(select(func.count()).select_from(Row))).scalar_one()
