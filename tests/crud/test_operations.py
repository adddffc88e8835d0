"""What each generated route does to the row, for string, integer and UUID keys, on every backend."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import sqlalchemy as sa

from fastapi_kit.db import Database
from tests.crud.library import City, Country, Note, store

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Sample:
    """A resource, and what a client may do with it."""

    path: str
    key: str
    """The name of the key."""
    body: Mapping[str, Any]
    """What POST takes."""
    defaults: Mapping[str, Any]
    """What a row has besides, if it was not sent."""
    change: Mapping[str, Any]
    """What PATCH takes."""
    replacement: Mapping[str, Any]
    """What PUT takes."""
    absent: str
    """A key that no row has."""
    malformed: str
    """What can be no key."""


SAMPLES = [
    pytest.param(
        Sample(
            path="/countries",
            key="code",
            body={"code": "FR", "name": "France"},
            defaults={"currency": "EUR", "population": None},
            change={"population": 68_000_000},
            replacement={"name": "Gaul", "currency": "ASS"},
            absent="XX",
            malformed="FRA",
        ),
        id="string",
    ),
    pytest.param(
        Sample(
            path="/cities",
            key="id",
            body={"name": "Basel", "country_code": "CH"},
            defaults={"population": 0, "elevation": None, "short": None, "twin_id": None, "rank": 7},
            change={"elevation": 260, "short": "BS"},
            replacement={"name": "Basilea", "country_code": "CH"},
            absent="99",
            malformed="first",
        ),
        id="integer",
    ),
    pytest.param(
        Sample(
            path="/notes",
            key="id",
            body={"text": "one"},
            defaults={"mood": None},
            change={"mood": "calm"},
            replacement={"text": "two"},
            absent=str(uuid4()),
            malformed="1",
        ),
        id="uuid",
    ),
]
each_key = pytest.mark.parametrize("sample", SAMPLES)
MADE_BY_SERVER = {"id", "created_at", "updated_at", "version"}


@pytest.fixture(autouse=True)
async def switzerland(api: httpx2.AsyncClient, database: Database) -> None:
    """A country for the cities."""
    await store(database, Country, {"code": "CH", "name": "Switzerland"})


async def create(api: httpx2.AsyncClient, sample: Sample) -> tuple[str, dict[str, Any]]:
    """A new row: its URL and its body."""
    response = await api.post(sample.path, json=sample.body)
    assert response.status_code == 201
    return response.headers["location"], response.json()


def sent(row: Mapping[str, Any]) -> dict[str, Any]:
    """`row` without what the server makes."""
    return {name: value for name, value in row.items() if name not in MADE_BY_SERVER}


@each_key
async def test_create_answers_the_row_and_where_it_is(api: httpx2.AsyncClient, sample: Sample) -> None:
    """What was sent is there, what was left out has its default, and `Location` leads to the same row."""
    location, row = await create(api, sample)
    assert sent(row) == {**sample.body, **sample.defaults}
    assert location == f"{sample.path}/{row[sample.key]}"
    found = await api.get(location)
    assert found.status_code == 200
    assert found.headers["content-type"] == "application/json"
    assert found.json() == row


@each_key
async def test_update_writes_what_was_sent(api: httpx2.AsyncClient, sample: Sample) -> None:
    """A merge patch changes its own members and no others, and is stored."""
    location, row = await create(api, sample)
    response = await api.patch(location, json=sample.change)
    assert response.status_code == 200
    assert sent(response.json()) == {**sent(row), **sample.change}
    assert (await api.get(location)).json() == response.json()


@each_key
async def test_update_with_nothing_changes_nothing(api: httpx2.AsyncClient, sample: Sample) -> None:
    """An empty patch answers the row as it is: not even its version or time stamp is new."""
    location, row = await create(api, sample)
    response = await api.patch(location, json={})
    assert response.status_code == 200
    assert response.json() == row


@each_key
async def test_update_takes_a_merge_patch_by_name(api: httpx2.AsyncClient, sample: Sample) -> None:
    """The media type of RFC 7396 is understood."""
    location, _ = await create(api, sample)
    response = await api.patch(
        location, content=b"{}", headers={"content-type": "application/merge-patch+json; charset=utf-8"}
    )
    assert response.status_code == 200


@each_key
async def test_replace_puts_defaults_where_nothing_was_sent(api: httpx2.AsyncClient, sample: Sample) -> None:
    """After PUT nothing of the old row is left but its key and what the server writes."""
    location, row = await create(api, sample)
    await api.patch(location, json=sample.change)
    response = await api.put(location, json=sample.replacement)
    assert response.status_code == 200
    key = {sample.key: row[sample.key]} if sample.key in sample.body else {}
    assert sent(response.json()) == {**key, **sample.defaults, **sample.replacement}
    assert (await api.get(location)).json() == response.json()


@each_key
async def test_delete_takes_the_row_away(api: httpx2.AsyncClient, sample: Sample) -> None:
    """DELETE answers 204 without a body; afterwards the row is gone from everywhere, also for a second DELETE."""
    location, _ = await create(api, sample)
    response = await api.delete(location)
    assert response.status_code == 204
    assert response.content == b""
    assert "content-type" not in response.headers
    for method in ("GET", "PATCH", "DELETE"):
        again = await api.request(method, location, json=sample.change if method == "PATCH" else None)
        assert again.status_code == 404
    assert location.rpartition("/")[2] not in {
        str(row[sample.key]) for row in (await api.get(sample.path)).json()["items"]
    }


@each_key
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "PATCH-empty", "DELETE"])
async def test_an_absent_row_is_a_404(api: httpx2.AsyncClient, sample: Sample, method: str) -> None:
    """Every route of a row says so in the same words."""
    bodies: Mapping[str, Any] = {"PUT": sample.replacement, "PATCH": sample.change, "PATCH-empty": {}}
    path = f"{sample.path}/{sample.absent}"
    response = await api.request(method.partition("-")[0], path, json=bodies.get(method))
    assert response.status_code == 404
    assert response.json()["detail"].startswith("There is no ")
    assert sample.absent not in response.text


@each_key
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_malformed_key_is_a_422(api: httpx2.AsyncClient, sample: Sample, method: str) -> None:
    """What cannot be a key is told apart from a row that is not there, and named."""
    bodies = {"PUT": sample.replacement, "PATCH": sample.change}
    response = await api.request(method, f"{sample.path}/{sample.malformed}", json=bodies.get(method))
    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["errors"]] == [["path", sample.key]]


@each_key
async def test_a_list_has_every_row(api: httpx2.AsyncClient, sample: Sample) -> None:
    """The items of a list are the rows that GET answers, with the total."""
    _, row = await create(api, sample)
    page = (await api.get(sample.path)).json()
    assert row in page["items"]
    assert page["total"] == len(page["items"])
    assert page["total_relation"] == "eq"


async def test_null_is_a_value_and_absent_is_none(api: httpx2.AsyncClient) -> None:
    """Null empties a column, leaving it out of PATCH does not."""
    await api.patch("/countries/CH", json={"population": 9})
    assert (await api.patch("/countries/CH", json={"currency": "CHF"})).json()["population"] == 9
    assert (await api.patch("/countries/CH", json={"population": None})).json()["population"] is None


@pytest.mark.parametrize("body", [{"name": None}, {"currency": None}], ids=["required", "with-default"])
async def test_null_for_a_column_that_is_never_null_is_a_422(api: httpx2.AsyncClient, body: dict[str, None]) -> None:
    """The column is named, before the database is asked."""
    for response in (
        await api.patch("/countries/CH", json=body),
        await api.post("/countries", json={"code": "FR", "name": "France", **body}),
    ):
        assert response.status_code == 422
        assert [error["loc"] for error in response.json()["errors"]] == [["body", *body]]


async def test_replace_needs_what_has_no_constant_default(api: httpx2.AsyncClient) -> None:
    """The database's own default is not known to a PUT, so it must be sent; null need not."""
    response = await api.put("/countries/CH", json={"name": "Suisse"})
    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["errors"]] == [["body", "currency"]]
    assert (await api.put("/countries/CH", json={"name": "Suisse", "currency": "CHF"})).status_code == 200


@pytest.mark.parametrize(
    ("path", "name"),
    [("/cities/1", "id"), ("/cities/1", "rank"), ("/cities/1", "secret"), ("/countries/CH", "code")],
    ids=["counted", "read-only", "hidden", "key"],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_clients_may_not_write_is_refused(
    api: httpx2.AsyncClient, database: Database, method: str, path: str, name: str
) -> None:
    """Such a field is unknown in a body, and the row stays as it is."""
    await store(database, City, {"name": "Basel", "country_code": "CH"})
    before = (await api.get(path)).json()
    response = await api.request(method, path, json={name: 5})
    assert response.status_code == 422
    assert ["body", name] in [error["loc"] for error in response.json()["errors"]]
    assert (await api.get(path)).json() == before


async def test_a_renamed_column_is_known_by_its_attribute(api: httpx2.AsyncClient, database: Database) -> None:
    """Clients write, read, filter and sort by the attribute; the database has the other name."""
    for elevation in (300, 260):
        city = {"name": f"C{elevation}", "country_code": "CH", "elevation": elevation}
        assert (await api.post("/cities", json=city)).json()["elevation"] == elevation
    page = (await api.get("/cities", params={"elevation__gte": 200, "sort": "elevation"})).json()
    assert [row["elevation"] for row in page["items"]] == [260, 300]
    stored = await database.run(lambda c: c.exec_driver_sql("SELECT elev_m FROM city ORDER BY 1").scalars().all())
    assert stored == [260, 300]
    assert (await api.get("/cities", params={"elev_m": 260})).status_code == 422


async def test_an_update_is_stamped_and_counted(api: httpx2.AsyncClient) -> None:
    """`updated_at` and `version` follow each PATCH and PUT; `created_at` stays."""
    start = datetime.now(UTC)
    created = (await api.post("/notes", json={"text": "one"})).json()
    assert created["version"] == 1
    assert start <= datetime.fromisoformat(created["created_at"]) <= datetime.now(UTC)
    path = f"/notes/{created['id']}"
    before = created
    for version, request in enumerate((api.patch, api.put), start=2):
        time.sleep(0.001)  # noqa: ASYNC251 - clocks may be coarse
        after = (await request(path, json={"text": f"v{version}"})).json()
        assert after["version"] == version
        assert after["created_at"] == created["created_at"]
        assert datetime.fromisoformat(after["updated_at"]) > datetime.fromisoformat(before["updated_at"])
        before = after


async def test_uuid_keys_sort_by_their_time(api: httpx2.AsyncClient) -> None:
    """Notes are listed in the order in which they were made, as their keys are UUIDv7."""
    made = [(await api.post("/notes", json={"text": text})).json()["id"] for text in "abc"]
    assert {UUID(key).version for key in made} == {7}
    assert [row["text"] for row in (await api.get("/notes")).json()["items"]] == ["a", "b", "c"]


async def test_a_write_does_not_touch_its_neighbours(api: httpx2.AsyncClient, database: Database) -> None:
    """PATCH, PUT and DELETE of one row leave the others alone."""
    await store(database, Note, {"text": "a"}, {"text": "b"}, {"text": "c"}, {"text": "d"})
    first, second, third, _ = (await api.get("/notes")).json()["items"]
    await api.patch(f"/notes/{first['id']}", json={"text": "A"})
    await api.put(f"/notes/{second['id']}", json={"text": "B"})
    await api.delete(f"/notes/{third['id']}")
    stored = await database.run(lambda c: c.execute(sa.select(Note.text).order_by(Note.id)).scalars().all())
    assert stored == ["A", "B", "d"]
