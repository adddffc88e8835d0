"""`create_app`: the parts put together."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.security import HTTPBearer
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit._route_index import RouteIndex
from fastapi_kit.app import create_app
from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Database, Pool
from fastapi_kit.health import Check
from fastapi_kit.settings import Settings
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Item(Models):
    """A row."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a browser application's API is set to."""
    for name in ("ENVIRONMENT", "TRUSTED_HOSTS", "CORS_ORIGINS"):
        monkeypatch.delenv(name, raising=False)
    return Settings(cors_origins=("https://front.example",), trusted_hosts=("test",), log_level="critical")


async def with_items(database: Database, settings: Settings, **options: Any) -> FastAPI:
    """An app that serves items, and an error."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
    errors = APIRouter()

    @errors.get("/error")
    async def error() -> None:
        raise ZeroDivisionError("secret detail")

    return create_app(
        settings, database=database, routers=[CRUDRouter(Item, prefix="/items"), errors], title="Items", **options
    )


ORIGIN = {"origin": "https://front.example"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/items", 200),
        ("POST", "/items", 422),
        ("GET", "/nowhere", 404),
        ("DELETE", "/items", 405),
        ("GET", "/error", 500),
        ("GET", "/health", 200),
        ("GET", "/ready", 200),
    ],
)
async def test_every_answer_has_the_headers_of_all_layers(
    database: Database, settings: Settings, method: str, path: str, status: int
) -> None:
    """Successes and failures of every kind carry the request id and CORS, and failures are problems."""
    async with client(await with_items(database, settings)) as api:
        answer = await api.request(method, path, headers=ORIGIN, json={} if method == "POST" else None)
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == ORIGIN["origin"]
    assert len(answer.headers["x-request-id"]) == 32
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "secret" not in answer.text


async def test_other_hosts_and_origins_are_not_served(database: Database, settings: Settings) -> None:
    """A host that is not trusted is refused, an origin that is not listed gets no CORS headers."""
    app = await with_items(database, settings)
    async with client(app, base_url="http://evil.example") as api:
        refused = await api.get("/items")
        assert refused.status_code == 400
        assert refused.headers["x-request-id"]
    async with client(app) as api:
        answer = await api.get("/items", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


async def test_long_answers_are_compressed(database: Database, settings: Settings) -> None:
    """What is worth compressing is, what is not is not."""
    async with client(await with_items(database, settings)) as api:
        for number in range(60):
            await api.post("/items", json={"name": f"item number {number}"})
        long, short = await api.get("/items?limit=60"), await api.get("/items/1")
    assert long.headers["content-encoding"] == "gzip"
    assert len(long.json()["items"]) == 60
    assert "content-encoding" not in short.headers


async def test_ready_asks_the_database_and_further_checks(settings: Settings) -> None:
    """Readiness is that of everything the app was given."""

    async def broken() -> None:
        raise ConnectionError("secret host")

    database = Database("postgresql://nobody@127.0.0.1:9/none", pool=Pool(timeout=1))
    app = create_app(settings, database=database, checks=[Check("queue", broken)])
    async with client(app) as api:
        answer = await api.get("/ready")
    assert answer.status_code == 503
    assert sorted(answer.json()["failing"]) == ["database", "queue"]
    assert "secret" not in answer.text


async def test_resources_are_opened_after_the_database(settings: Settings) -> None:
    """Further resources are part of the lifespan, and their state of the requests'."""

    @asynccontextmanager
    async def greeter(_: FastAPI) -> AsyncGenerator[Mapping[str, Any]]:
        yield {"greeting": "hello"}

    router = APIRouter()

    @router.get("/greet")
    async def greet(request: Request) -> list[str]:
        return [request.state.greeting, type(request.state.database).__name__]

    app = create_app(settings, database=Database("sqlite://"), resources=[greeter], routers=[router])
    async with client(app) as api:
        assert (await api.get("/greet")).json() == ["hello", "Database"]


async def test_routes_are_indexed_when_all_are_there(settings: Settings) -> None:
    """Routes that the last resource brings are indexed, too, and starting again adds no second index."""

    @asynccontextmanager
    async def late(app: FastAPI) -> AsyncGenerator[None]:
        @app.get("/late")
        async def answer() -> str:
            return "late"

        yield

    app = create_app(settings, resources=[late])
    for _ in range(2):
        async with client(app) as api:
            assert [isinstance(node, RouteIndex) for node in app.routes].index(True) == 0
            assert (await api.get("/late")).json() == "late"
    assert sum(isinstance(node, RouteIndex) for node in app.routes) == 1


async def test_docs_can_be_kept_private(settings: Settings) -> None:
    """Without public docs neither the pages nor the schema are served."""
    private = settings.model_copy(update={"public_docs": False})
    async with client(create_app(private)) as api:
        assert [(await api.get(path)).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3
    async with client(create_app(settings, title="Public", version="3")) as api:
        document = (await api.get("/openapi.json")).json()
        assert document["info"] == {"title": "Public", "version": "3"}
        assert (await api.get("/health")).json()["version"] == "3"


def test_the_document_says_where_and_for_whom(settings: Settings) -> None:
    """Paths are relative to the server that gave the document; public operations are so by word, not by omission."""
    router = APIRouter()

    @router.get("/secret", dependencies=[Security(HTTPBearer())])
    async def secret() -> None:
        """Needs a token."""

    document = create_app(settings, routers=[router]).openapi()
    assert document["servers"] == [{"url": "/"}]
    assert document["paths"]["/health"]["get"]["security"] == []
    assert document["paths"]["/secret"]["get"]["security"] == [{"HTTPBearer": []}]
    elsewhere = create_app(settings, servers=[{"url": "https://api.example"}]).openapi()
    assert elsewhere["servers"] == [{"url": "https://api.example"}]


async def test_production_logs_json(database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """In production each request is one line of JSON, with the id that the client was given."""
    production = settings.model_copy(update={"environment": "production", "log_level": "info"})
    async with client(await with_items(database, production)) as api:
        answer = await api.get("/items/1")
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in (captured.out + captured.err).splitlines()]
    access = [line for line in lines if line.get("event") == "request"]
    assert len(access) == 1
    assert access[0]["request_id"] == answer.headers["x-request-id"]
    assert access[0]["route"] == "/items/{id}"
    assert access[0]["status_code"] == 404
