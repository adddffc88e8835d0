"""The app: `uvicorn examples.atlas.main:app`, `python -m examples.atlas` and the `fastapi` command serve it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from fastapi_kit.app import create_app
from fastapi_kit.db import Database
from fastapi_kit.metrics import Metrics

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
    """Make the app, on the database that `settings` names."""
    database = Database(settings.database_url.get_secret_value())
    auth = make_auth(settings, database)

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
        routers=make_routers(auth),
    )


app = make_app(AtlasSettings())
