"""The atlas is what its OpenAPI document says: schemathesis sends what the document allows, and what it does not.

Each run goes through all phases and all checks. `FUZZ_EXAMPLES=200` makes a thorough run: so many examples for each
operation, every phase for every way in and seed, on PostgreSQL as well.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
import schemathesis
from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.python.asgi import shutdown_lifespans
from sqlalchemy import URL, make_url

from examples.atlas.routes import routers
from examples.atlas.seed import seed
from examples.atlas.settings import AtlasSettings
from fastapi_kit.app import create_app
from fastapi_kit.db import Database
from fastapi_kit.errors import UnauthorizedError, raises
from tests.databases import own_database
from tests.examples.worlds import SMALL

pytestmark = pytest.mark.slow

THOROUGH = "FUZZ_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
SEEDS = (1, 2)
TOKEN = "token-of-this-test"
CHECKS = {
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "positive_data_acceptance", "missing_required_header"),
    *("unsupported_method", "allow_header_conformance", "use_after_free", "ensure_resource_availability"),
    *("ignored_auth", "object_level_authorization"),
}

_bearer = HTTPBearer(auto_error=False)


async def authenticated(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
    """Let the one token in."""
    if given is None or given.credentials != TOKEN:
        raise UnauthorizedError(headers={"WWW-Authenticate": "Bearer"})


@dataclass(frozen=True)
class Way:
    """A way into the atlas: whether it asks for a token, and whether one is sent."""

    asks: bool
    sends: bool

    def app(self, url: URL) -> FastAPI:
        """The atlas on a database that is seeded."""
        options: dict[str, Any] = {}
        if self.asks:
            options = {"dependencies": [Depends(authenticated)], "responses": raises(UnauthorizedError)}
        return create_app(
            AtlasSettings(log_level="critical"),
            database=Database(url),
            routers=routers,
            title="Atlas",
            version="1",
            **options,
        )


WAYS = {
    "public": Way(asks=False, sends=False),
    "with-token": Way(asks=True, sends=True),
    "without-token": Way(asks=True, sends=False),
}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)][: 1 + THOROUGH])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """A database with a small world, new for each run, so that each can be repeated."""
    if request.param == "sqlite":
        address = make_url(f"sqlite:///{tmp_path / 'test.db'}")
        asyncio.run(_seed(address))
        yield address
        shutdown_lifespans()
    else:
        with own_database(request.param) as address:
            asyncio.run(_seed(address))
            yield address
            shutdown_lifespans()


async def _seed(url: URL) -> None:
    database = Database(url)
    await seed(database, SMALL)
    await database.dispose()


@dataclass
class Report:
    """What a run did and found."""

    failures: list[str] = field(default_factory=list[str])
    phases: set[str] = field(default_factory=set[str])
    checks: Counter[str] = field(default_factory=Counter[str])

    def take(self, event: events.EngineEvent) -> None:
        """Note what an event tells."""
        match event:
            case events.ScenarioFinished():
                self.phases |= {event.phase.value} if event.recorder.interactions else set()
                for checks in event.recorder.checks.values():
                    self.checks.update(check.name for check in checks)
                    failed = [check.failure_info for check in checks if check.failure_info is not None]
                    self.failures += [
                        f"{found.failure.title}: {found.failure.message}\n{found.code_sample}" for found in failed
                    ]
            case events.NonFatalError():
                self.failures.append(f"{event.label}: {event.value!r}")
            case events.FatalError():
                self.failures.append(repr(event.exception))
            case events.PhaseFinished(status=Status.ERROR | Status.INTERRUPTED):
                self.failures.append(f"{event.phase.name} ended with {event.status}")
            case _:
                pass


def run(app: FastAPI, way: Way, seed: int, *, coverage: bool) -> Report:
    """Drive an app with all that its document allows and forbids."""
    config = SchemathesisConfig.from_dict(  # pyright: ignore[reportUnknownMemberType] -- takes a bare dict
        {
            "seed": seed,
            "headers": {"Authorization": f"Bearer {TOKEN}"} if way.sends else {},
            "cache": {"enabled": False},
            "generation": {"max-examples": EXAMPLES, "database": "none"},
            "phases": {"coverage": {"enabled": coverage}},
        }
    )
    schema = schemathesis.openapi.from_dict(app.openapi(), config=config)
    schema.app = app
    report = Report()
    for event in from_schema(schema).execute():
        report.take(event)
    return report


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_atlas_is_what_its_document_says(url: URL, way: Way, seed: int) -> None:
    """Whatever is sent, in any order, the answer is one that the document promises for it."""
    # What the coverage phase sends depends on the document alone, so a small budget has it once.
    coverage = THOROUGH or (not way.asks and seed == SEEDS[0])
    report = run(way.app(url), way, seed, coverage=coverage)
    assert not report.failures, "\n\n".join(report.failures)
    assert report.phases >= {"fuzzing", "stateful"} | ({"coverage"} if coverage else set())
    assert set(report.checks) >= CHECKS


def test_a_broken_promise_is_found(url: URL) -> None:
    """The runs above can fail: a status that the document does not name is reported."""
    way = WAYS["public"]
    app = way.app(url)
    del app.openapi()["paths"]["/visits/{id}"]["get"]["responses"]["404"]
    report = run(app, way, SEEDS[0], coverage=False)
    assert any("Undocumented status code" in failure for failure in report.failures)
