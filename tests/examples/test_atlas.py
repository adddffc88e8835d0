"""The atlas through its API, on every database."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from examples.atlas.main import make_app
from examples.atlas.models import FIRST_OWN_CITY, User
from examples.atlas.seed import DEMO_EMAIL, add_demo_user, create_tables, seed
from examples.atlas.settings import AtlasSettings
from fastapi_kit.auth import NewUser, PasswordHasher, SQLUserStore
from fastapi_kit.db import Database
from fastapi_kit.settings import SecretURL
from fastapi_kit.testing import client
from tests.examples.worlds import SMALL, two_countries
from tests.redis_server import redis_server

pytestmark = pytest.mark.anyio

PARIS = 2988507
PASSWORD = "a kettle of fish"


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the atlas on a small world."""
    await seed(database, SMALL)
    for email, role in (("eve@example.com", "editor"), ("ann@example.com", "reader"), ("bob@example.com", "reader")):
        await add_user(database, email, role)
    async with client(make_app(settings_of(database))) as api:
        api.headers.update(await log_in(api, "eve@example.com"))
        yield api


def settings_of(database: Database, **settings: Any) -> AtlasSettings:
    """Those of an atlas on this database."""
    return AtlasSettings(database_url=SecretURL(database.url.render_as_string(hide_password=False)), **settings)


async def add_user(database: Database, email: str, role: str) -> None:
    """Somebody with this role, whose password is `PASSWORD`."""
    hashed = await PasswordHasher(deadline=1).hash(PASSWORD)
    await SQLUserStore(database, User).add(NewUser(email, hashed, roles=(role,)))


async def log_in(api: httpx2.AsyncClient, email: str) -> dict[str, str]:
    """The header of a user."""
    response = await api.post("/auth/token", data={"username": email, "password": PASSWORD})
    assert response.status_code == 200
    return {"Authorization": f"Bearer {response.json()['access_token']}"}


async def test_french_cities_biggest_first(api: httpx2.AsyncClient) -> None:
    """The query that the demo prints answers real cities, filtered, in order, five to a page."""
    answer = await api.get("/cities?country_code=FR&population__gte=100000&sort=-population&limit=5")
    assert answer.status_code == 200
    page = answer.json()
    assert [city["name"] for city in page["items"]] == ["Paris", "Marseille", "Lyon", "Toulouse", "Nice"]
    populations = [city["population"] for city in page["items"]]
    assert populations == sorted(populations, reverse=True)
    large = [row for row in two_countries().cities if row["country_code"] == "FR" and row["population"] >= 100_000]
    assert (page["total"], page["total_relation"]) == (len(large), "eq")


@pytest.mark.parametrize("path", ["/health", "/ready", "/docs", "/openapi.json"])
async def test_it_tells_of_itself(api: httpx2.AsyncClient, path: str) -> None:
    """Health, readiness and documentation answer."""
    assert (await api.get(path)).status_code == 200


async def test_the_source_of_the_data_is_credited(api: httpx2.AsyncClient) -> None:
    """CC BY asks for it."""
    description = (await api.get("/openapi.json")).json()["info"]["description"]
    assert "GeoNames" in description
    assert "https://creativecommons.org/licenses/by/4.0/" in description


async def test_keys_are_text_integers_and_uuids(api: httpx2.AsyncClient) -> None:
    """A continent, a country and a city by their own keys; a city and a visit by keys that the service makes."""
    assert (await api.get("/continents/EU")).json()["name"] == "Europe"
    assert (await api.get("/countries/FR")).json()["capital"] == "Paris"
    assert (await api.get(f"/cities/{PARIS}")).json()["timezone"] == "Europe/Paris"
    city = {"name": "Kitville", "country_code": "FR", "population": 1, "latitude": 0, "longitude": 0, "timezone": "UTC"}
    made = await api.post("/cities", json=city)
    assert made.status_code == 201
    assert made.json()["id"] > PARIS
    assert made.headers["location"] == f"/cities/{made.json()['id']}"
    visit = await api.post("/visits", json={"city_id": made.json()["id"], "visited_on": "2026-05-01", "rating": 5})
    assert visit.status_code == 201
    assert (await api.get(visit.headers["location"])).json() == visit.json()
    assert (await api.delete(visit.headers["location"])).status_code == 204


async def test_own_cities_are_numbered_clear_of_geonames(database: Database, api: httpx2.AsyncClient) -> None:
    """On PostgreSQL, which would otherwise count from 1 into the numbers that are taken."""
    city = {"name": "Kitville", "country_code": "FR", "population": 1, "latitude": 0, "longitude": 0, "timezone": "UTC"}
    made = (await api.post("/cities", json=city)).json()["id"]
    assert (made >= FIRST_OWN_CITY) is (database.engine.dialect.name == "postgresql")


@pytest.mark.parametrize(
    ("path", "body", "status", "fields"),
    [
        pytest.param("/visits", {"rating": 6}, 422, None, id="a rating that does not exist"),
        pytest.param("/visits", {"city_id": 1}, 409, ["city_id"], id="a city that does not exist"),
        pytest.param("/visits", {}, 409, ["city_id", "visited_on"], id="the same day again"),
        pytest.param("/visits", {"owner": "me"}, 422, None, id="a field that does not exist"),
    ],
)
async def test_a_visit_that_cannot_be(
    api: httpx2.AsyncClient, path: str, body: dict[str, object], status: int, fields: list[str] | None
) -> None:
    """The client hears what is wrong, by field."""
    visit = {"city_id": PARIS, "visited_on": "2026-05-01", "rating": 5}
    assert (await api.post(path, json=visit)).status_code == 201
    refused = await api.post(path, json={**visit, **body})
    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json().get("fields") == fields


async def test_a_visit_is_changed_by_who_has_seen_it(api: httpx2.AsyncClient) -> None:
    """Its version is its ETag; a stale one changes nothing."""
    visit = await api.post("/visits", json={"city_id": PARIS, "visited_on": "2026-05-01", "rating": 3})
    at, seen = visit.headers["location"], {"If-Match": visit.headers["etag"]}
    assert (await api.patch(at, json={"rating": 5}, headers=seen)).json()["version"] == 2
    assert (await api.patch(at, json={"rating": 1}, headers=seen)).status_code == 412
    assert (await api.get(at)).json()["rating"] == 5


async def test_a_deleted_visit_comes_back_unless_its_day_is_taken(api: httpx2.AsyncClient) -> None:
    """Deletion is soft, and a deleted visit keeps nobody from telling of the same day."""
    visit = {"city_id": PARIS, "visited_on": "2026-05-01", "rating": 3}
    at = (await api.post("/visits", json=visit)).headers["location"]
    assert (await api.delete(at)).status_code == 204
    assert (await api.get(at)).status_code == 404
    again = await api.post("/visits", json=visit)
    assert again.status_code == 201
    taken = await api.post(f"{at}/restore")
    assert (taken.status_code, taken.json()["fields"]) == (409, ["city_id", "visited_on"])
    assert (await api.delete(again.headers["location"])).status_code == 204
    assert (await api.post(f"{at}/restore")).status_code == 200


async def test_what_belongs_together_comes_together(api: httpx2.AsyncClient) -> None:
    """Related rows, search, and cities below their country."""
    await api.post("/visits", json={"city_id": PARIS, "visited_on": "2026-05-01", "rating": 3, "note": "The river"})
    (visit,) = (await api.get("/visits?search=RIVER paris&include=city&city.country_code=FR")).json()["items"]
    assert visit["city"]["name"] == "Paris"
    (country,) = (await api.get("/countries?search=paris&include=continent,cities")).json()["items"]
    assert (country["continent"]["name"], country["cities"][0]["name"]) == ("Europe", "Paris")
    below = (await api.get("/countries/FR/cities?limit=2")).json()["items"]
    assert [city["name"] for city in below] == ["Paris", "Marseille"]
    assert (await api.get("/countries/XX/cities")).status_code == 404
    european = (await api.get("/cities?country.continent_code=EU&fields=id,name&limit=1")).json()["items"]
    assert european[0].keys() == {"id", "name"}


async def test_all_cities_as_a_file(api: httpx2.AsyncClient) -> None:
    """The export has each city once."""
    lines = (await api.get("/cities.csv?fields=id,name")).text.splitlines()
    assert lines[0] == "id,name"
    assert len(lines) - 1 == len(two_countries().cities)


async def test_a_country_with_cities_stays(api: httpx2.AsyncClient) -> None:
    """Rows that others refer to are not deleted."""
    assert (await api.delete("/countries/FR")).status_code == 409
    assert (await api.get("/countries/FR")).status_code == 200


async def test_everybody_reads_and_users_write(api: httpx2.AsyncClient) -> None:
    """Places are for everybody to read and for editors to change; visits are for users alone."""
    reader = await log_in(api, "ann@example.com")
    change = {"population": 1}
    nobody = {"Authorization": ""}
    del api.headers["Authorization"]
    assert (await api.get(f"/cities/{PARIS}")).status_code == 200
    assert (await api.get("/visits")).status_code == 401
    assert (await api.patch(f"/cities/{PARIS}", json=change)).status_code == 401
    assert (await api.patch(f"/cities/{PARIS}", json=change, headers=nobody)).status_code == 401
    refused = await api.patch(f"/cities/{PARIS}", json=change, headers=reader)
    assert (refused.status_code, 'scope="places:write"' in refused.headers["www-authenticate"]) == (403, True)
    assert (await api.get("/visits", headers=reader)).status_code == 200


async def test_visits_are_their_users_own(api: httpx2.AsyncClient) -> None:
    """Nobody sees, changes or is kept from a visit by another's."""
    ann, bob = await log_in(api, "ann@example.com"), await log_in(api, "bob@example.com")
    visit = {"city_id": PARIS, "visited_on": "2026-05-01", "rating": 5}
    at = (await api.post("/visits", json=visit, headers=ann)).headers["location"]
    assert (await api.get(at, headers=bob)).status_code == 404
    assert (await api.patch(at, json={"rating": 1}, headers=bob)).status_code == 404
    assert (await api.get("/visits", headers=bob)).json()["items"] == []
    assert (await api.post("/visits", json=visit, headers=bob)).status_code == 201
    assert "owner_id" not in (await api.get(at, headers=ann)).json()


async def test_the_demo_has_a_login(database: Database) -> None:
    """An admin with a password that is told once."""
    await create_tables(database)
    password = await add_demo_user(database)
    assert await add_demo_user(database) is None
    async with client(make_app(settings_of(database))) as api:
        form = {"username": DEMO_EMAIL, "password": password}
        response = await api.post("/auth/token", data=form)
        assert response.status_code == 200
        assert response.json()["scope"] == "places:write visits"


@pytest.mark.parametrize("processes", [1, 2])
async def test_continents_are_cached_until_one_is_changed(database: Database, tmp_path: Path, processes: int) -> None:
    """In the process, and for several on Redis, where each finds and forgets what another one has cached."""
    await seed(database, SMALL)
    await add_user(database, "eve@example.com", "editor")
    async with AsyncExitStack() as stack:
        redis_url = SecretURL(stack.enter_context(redis_server(tmp_path)).url) if processes > 1 else None
        settings = settings_of(database, redis_url=redis_url)
        apis = [await stack.enter_async_context(client(make_app(settings))) for _ in range(processes)]
        assert "hit" not in (await apis[0].get("/continents")).headers["cache-status"]
        assert "hit" in (await apis[-1].get("/continents")).headers["cache-status"]
        eve = await log_in(apis[0], "eve@example.com")
        assert (await apis[0].patch("/continents/EU", json={"name": "Aurope"}, headers=eve)).status_code == 200
        assert "Aurope" in (await apis[-1].get("/continents")).text


async def test_exports_are_limited(database: Database) -> None:
    """The answer says how often, and when again; other lists are not concerned."""
    await seed(database, SMALL)
    async with client(make_app(settings_of(database, exports_per_minute=2))) as api:
        assert [(await api.get("/cities.csv")).status_code for _ in range(3)] == [200, 200, 429]
        refused = await api.get("/cities.csv")
        assert refused.headers["ratelimit-policy"] == '"2/minute";q=2;w=60'
        assert int(refused.headers["retry-after"]) <= 30
        assert (await api.get("/cities")).status_code == 200


async def test_it_serves_an_empty_database(database: Database) -> None:
    """`--no-seed` on a new database gives an empty world, not errors."""
    async with client(make_app(settings_of(database))) as api:
        answer = await api.get("/cities")
    assert answer.json() == {
        "items": [],
        "total": 0,
        "total_relation": "eq",
        "next_cursor": None,
        "previous_cursor": None,
    }
