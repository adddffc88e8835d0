"""The app: `uvicorn examples.atlas.main:app`, `python -m examples.atlas` and the `fastapi` command serve it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from fastapi_kit.app import create_app
from fastapi_kit.cache import Cache
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.db import Database
from fastapi_kit.metrics import Metrics
from fastapi_kit.ratelimit import RateLimit
from fastapi_kit.redis import RedisClient

from .accounts import make_auth
from .data import CREDIT
from .routes import make_routers
from .seed import create_tables
from .settings import AtlasSettings

DESCRIPTION = f"""\
Continents, countries and cities of the world, and the visits that you make once you have registered.

{CREDIT}
"""


def make_app(settings: AtlasSettings) -> FastAPI:
    """Make the app, on the database and the Redis that `settings` name; it does without the latter."""
    database = Database(settings.database_url.get_secret_value())
    redis = None if settings.redis_url is None else RedisClient(settings.redis_url.get_secret_value())
    cache = Cache(None if redis is None else RedisCache(redis))
    auth = make_auth(settings, database)
    exports = RateLimit(f"{settings.exports_per_minute}/minute")

    @asynccontextmanager
    async def tables(_app: FastAPI) -> AsyncGenerator[None]:
        await create_tables(database)
        yield

    return create_app(
        settings,
        title="Atlas",
        version="1.0.0",
        description=DESCRIPTION,
        database=database,
        resources=[tables],
        metrics=Metrics(),
        auth=auth,
        redis=redis,
        limits={"GET /cities.csv": exports, "GET /cities.ndjson": exports},
        cache=cache,
        routers=make_routers(auth, cache),
    )


app = make_app(AtlasSettings())
