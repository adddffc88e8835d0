"""The atlas is what its OpenAPI document says: schemathesis sends what the document allows, and what it does not.

Each run goes through all phases and all checks. `FUZZ_EXAMPLES=200` makes a thorough run: so many examples for each
operation, every phase for every way in and seed, on PostgreSQL as well.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from pydantic import SecretStr
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.python.asgi import shutdown_lifespans
from sqlalchemy import URL, make_url

from examples.atlas.accounts import make_auth
from examples.atlas.main import make_app
from examples.atlas.models import User
from examples.atlas.seed import seed
from examples.atlas.settings import AtlasSettings
from fastapi_kit.auth import create_access_token
from fastapi_kit.db import Database, uuid7
from fastapi_kit.settings import SecretURL
from tests.databases import own_database
from tests.examples.worlds import SMALL

pytestmark = pytest.mark.slow

THOROUGH = "FUZZ_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
SEEDS = (1, 2)
SECRET = "a secret of this test alone, long enough"
EDITOR = uuid7()
CHECKS = {
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "positive_data_acceptance", "missing_required_header"),
    *("unsupported_method", "allow_header_conformance", "use_after_free", "ensure_resource_availability"),
    *("ignored_auth", "object_level_authorization"),
}


@dataclass(frozen=True)
class Way:
    """A way into the atlas: with the token of an editor, or without any."""

    sends: bool

    def app(self, url: URL) -> FastAPI:
        """The atlas on a database that is seeded."""
        return make_app(settings_of(url))


WAYS = {"with-token": Way(sends=True), "without-token": Way(sends=False)}


def settings_of(url: URL) -> AtlasSettings:
    """Those of every run on this database; one secret for all."""
    address = SecretURL(url.render_as_string(hide_password=False))
    unlimited = 1_000_000
    secret = SecretStr(SECRET)
    return AtlasSettings(database_url=address, secret_key=secret, log_level="critical", exports_per_minute=unlimited)


def token_of(url: URL) -> str:
    """A token of the editor, which belongs to no session, so that a logout among the requests ends no run early."""
    codec = make_auth(settings_of(url), Database(url)).parts.codec
    return create_access_token({"sub": str(EDITOR), "scope": "visits places:write"}, timedelta(hours=1), codec=codec)


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
    async with database.session() as session:
        session.add(User(id=EDITOR, email="eve@example.com", roles=["editor"]))
        await session.commit()
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


def run(url: URL, app: FastAPI, way: Way, seed: int, *, coverage: bool) -> Report:
    """Drive an app with all that its document allows and forbids."""
    config = SchemathesisConfig.from_dict(  # pyright: ignore[reportUnknownMemberType] -- takes a bare dict
        {
            "seed": seed,
            "headers": {"Authorization": f"Bearer {token_of(url)}"} if way.sends else {},
            "cache": {"enabled": False},
            "generation": {"max-examples": EXAMPLES, "database": "none"},
            "phases": {"coverage": {"enabled": coverage}},
            # Whether a password is a common one, or a code the right one, is not a matter of shape.
            "operations": [
                {"include-path-regex": "^/auth/", "checks": {"positive_data_acceptance": {"enabled": False}}}
            ],
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
    coverage = THOROUGH or (not way.sends and seed == SEEDS[0])
    report = run(url, way.app(url), way, seed, coverage=coverage)
    assert not report.failures, "\n\n".join(report.failures)
    assert report.phases >= {"fuzzing", "stateful"} | ({"coverage"} if coverage else set())
    assert set(report.checks) >= CHECKS


def test_a_broken_promise_is_found(url: URL) -> None:
    """The runs above can fail: a status that the document does not name is reported."""
    way = WAYS["with-token"]
    app = way.app(url)
    del app.openapi()["paths"]["/visits/{id}"]["get"]["responses"]["404"]
    report = run(url, app, way, SEEDS[0], coverage=False)
    assert any("Undocumented status code" in failure for failure in report.failures)
