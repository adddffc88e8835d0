"""The law of CRUD routes: whatever is sent, no answer is a 5xx, each error is a problem without a word of the input.

`FUZZ_EXAMPLES=5000` makes a thorough run: so many query strings, bodies, keys and cursors on each database, other ones
each time. Without it there are few, and always the same.
"""

import json
import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, unquote

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic_core import to_jsonable_python
from sqlalchemy import URL, make_url
from starlette.types import Message

from fastapi_kit.db import Database
from tests.crud.forgeries import Forgery, forgeries
from tests.crud.generators import CONTENT_TYPES, SENTINEL, bodies, query_strings, texts
from tests.crud.library import ROUTERS, VALUES, City, Country, Everything, Note, app_with, create_tables, store
from tests.databases import own_database

pytestmark = pytest.mark.anyio

THOROUGH = "FUZZ_EXAMPLES" in os.environ
fuzz = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "300")),
    derandomize=not THOROUGH,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

KEYS = {"/countries": "CH", "/cities": "2", "/notes": str(VALUES["ref"]), "/everything": "2"}
"""Of each path the key of a row that is there."""
WHOLE: Mapping[str, Mapping[str, Any]] = {
    "/countries": {"code": "AT", "name": "Austria", "currency": "EUR"},
    "/cities": {"name": "Bern", "country_code": "CH"},
    "/notes": {"text": "new"},
    "/everything": to_jsonable_python(dict(VALUES)),
}
"""Of each path a body that is right."""
DOCUMENT = app_with(Database("sqlite://"), *ROUTERS).openapi()


def described(path: str, method: str) -> dict[str, Any]:
    """An operation of the document; that of a row, if only that has the method."""
    row = next(found for found in DOCUMENT["paths"] if found.startswith(f"{path}/"))
    found: dict[str, Any] = {**DOCUMENT["paths"][row], **DOCUMENT["paths"][path]}[method]
    return found


def parameters_of(path: str) -> dict[str, Any]:
    """The parameters of a list, by name, with their schemas; short names of filters, too."""
    found = {parameter["name"]: parameter["schema"] for parameter in described(path, "get")["parameters"]}
    return found | {name.removesuffix("__eq"): schema for name, schema in found.items()}


def body_of(path: str, method: str) -> dict[str, Any]:
    """The schema of a body."""
    schema: dict[str, Any] = described(path, method)["requestBody"]["content"]["application/json"]["schema"]
    return schema


paths = st.sampled_from(sorted(KEYS))
lists = st.one_of([st.tuples(st.just(path), query_strings(parameters_of(path))) for path in KEYS])
writes = st.one_of(
    [
        st.tuples(st.just(path), st.just(method), bodies(body_of(path, method.lower()), WHOLE[path]))
        for path in KEYS
        for method in ("POST", "PUT", "PATCH")
    ]
)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes

    def check(self) -> None:
        """See that it is JSON, no failure of the server, and of an error no word of the input."""
        assert self.status < 500
        if self.status == 204:
            return
        content = json.loads(self.body.decode("utf-8", "strict"), parse_constant=pytest.fail)
        if self.status >= 400:
            assert self.headers[b"content-type"] == b"application/problem+json"
            assert content["status"] == self.status
            assert SENTINEL.casefold() not in self.body.decode().casefold()
            assert len(self.body) < 20_000


@dataclass(frozen=True)
class Target:
    """A running app, spoken to as by a server: in bytes, which no client has tidied up."""

    app: FastAPI
    state: Mapping[str, Any]

    async def ask(
        self, method: str, path: str, query: bytes = b"", body: bytes = b"", kind: str = "application/json"
    ) -> Answer:
        """The checked answer to a request; whatever the app raises is raised."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"host", b"test"), (b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
        scope: dict[str, Any] = {"type": "http", "http_version": "1.1", "method": method, "scheme": "http"}
        scope |= {"path": path, "raw_path": b"", "query_string": query, "headers": headers, "state": dict(self.state)}
        await self.app({**scope, "root_path": "", "server": ("test", 80), "client": ("test", 1)}, receive, send)
        start, *rest = sent
        answer = Answer(start["status"], dict(start["headers"]), b"".join(part.get("body", b"") for part in rest))
        answer.check()
        return answer


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def own_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A database of this module's own, which no other test empties."""
    if request.param == "sqlite":
        yield make_url(f"sqlite:///{tmp_path_factory.mktemp('fuzz') / 'test.db'}")
    else:
        with own_database(request.param) as url:
            yield url


@pytest.fixture(scope="module")
async def target(own_url: URL, anyio_backend: str) -> AsyncGenerator[Target]:
    """One app for all requests, so that what one of them leaves behind is there for the next."""
    database = Database(own_url)
    await create_tables(database)
    await store(database, Country, {"code": "CH", "name": "Switzerland"})
    await store(database, City, *({"name": name, "country_code": "CH", "short": name} for name in ("BS", "GE")))
    await store(database, Note, {"id": VALUES["ref"], "text": "kept"})
    await store(database, Everything, *[dict(VALUES)] * 3)
    app = app_with(database, *ROUTERS)
    async with app.router.lifespan_context(app) as state:
        yield Target(app, cast("Mapping[str, Any]", state or {}))


@pytest.fixture
def tally() -> Iterator[Counter[bool]]:
    """Counts successes and failures of a test, and sees that it met enough of both to tell something."""
    counted = Counter[bool]()
    yield counted
    assert min(counted[True], counted[False]) > counted.total() / 10


@fuzz
@given(asked=lists)
async def test_no_query_string_breaks_a_list(target: Target, tally: Counter[bool], asked: tuple[str, bytes]) -> None:
    """A list is answered or refused, never half-understood into a failure."""
    path, query = asked
    answer = await target.ask("GET", path, query)
    assert answer.status in {200, 404, 422}
    tally[answer.status == 200] += 1


@fuzz
@given(write=writes, kind=st.sampled_from(CONTENT_TYPES))
async def test_no_body_breaks_a_write(
    target: Target, tally: Counter[bool], write: tuple[str, str, bytes], kind: str
) -> None:
    """A body is stored or refused, and what is stored can be read back, alone and in the list."""
    path, method, body = write
    row = f"{path}/{KEYS[path]}"
    answer = await target.ask(method, path if method == "POST" else row, body=body, kind=kind)
    assert answer.status in {200, 201, 404, 409, 413, 415, 422}
    tally[answer.status < 400] += 1
    if answer.status < 400:
        location = unquote(answer.headers.get(b"location", row.encode()).decode("ascii"), errors="strict")
        assert (await target.ask("GET", location)).body == answer.body
        newest = await target.ask("GET", path, b"limit=5&sort=-" + (b"code" if path == "/countries" else b"id"))
        assert newest.status == 200


@fuzz
@given(
    path=paths, method=st.sampled_from(["GET", "PUT", "PATCH", "DELETE"]), key=texts, query=st.sampled_from([b"", b"a"])
)
async def test_no_key_breaks_a_row(target: Target, path: str, method: str, key: str, query: bytes) -> None:
    """A key names a row or none, whatever stands in its place."""
    assume(key and not key.endswith("/"))  # a redirect
    assume(method != "DELETE" or KEYS[path] not in key)
    answer = await target.ask(method, f"{path}/{key}", query, b"{}")
    assert answer.status in {200, 204, 404, 405, 409, 422}


@fuzz
@given(path=paths, forgery=forgeries, other=st.sampled_from(["", "&sort=-id", "&sort=code", "&page=2"]))
async def test_no_cursor_breaks_a_list(target: Target, path: str, forgery: Forgery, other: str) -> None:
    """A cursor that nobody gave out is refused, of no page, or leads somewhere in the list."""
    page = json.loads((await target.ask("GET", path, b"limit=1")).body)
    cursor = quote(forgery.of(page.get("next_cursor")), errors="replace")
    answer = await target.ask("GET", path, f"cursor={cursor}{other}".encode())
    assert answer.status in {200, 404, 422}
