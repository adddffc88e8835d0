"""API keys: what is kept of them, and what they may be used for."""

from datetime import timedelta

import pytest
from sqlalchemy import URL

from fastapi_kit.auth import APIKey, APIKeyStore, MemoryAPIKeyStore, SQLAPIKeyStore
from fastapi_kit.auth._api_keys import api_key_id, new_api_key
from fastapi_kit.auth._rotation import digest
from tests.auth.accounts import NOW, tables
from tests.auth.services import Service, bearer, log_in
from tests.auth.stores import database_with_tables

pytestmark = pytest.mark.anyio


def made(number: int, user_id: str = "ann") -> APIKey:
    """A key of a user."""
    key_id, key = f"{number:016}", f"key-{number}"
    return APIKey(key_id, digest(key), user_id, "deploy", ("read",), NOW + timedelta(seconds=number), None)


async def check(store: APIKeyStore) -> None:
    """What every store does."""
    one, two, other = made(1), made(2), made(3, "bob")
    for key in (two, one, other):
        await store.add(key)
    assert await store.find(one.id) == one
    assert await store.find("f" * 16) is None
    assert sorted(key.id for key in await store.of_user("ann")) == [one.id, two.id]
    assert not await store.remove(one.id, user_id="bob")
    assert await store.remove(one.id, user_id="ann")
    assert not await store.remove(one.id, user_id="ann")
    assert await store.of_user("ann") == [two]


async def test_every_store_keeps_keys(user_place: URL | None) -> None:
    """In memory and on databases."""
    if user_place is None:
        await check(MemoryAPIKeyStore())
        return
    async with database_with_tables(user_place) as database:
        await check(SQLAPIKeyStore(database, tables))


def test_a_key_is_named_by_its_middle() -> None:
    """What is no key has no name."""
    key_id, key = new_api_key()
    assert api_key_id(key) == key_id
    for text in ("", key[:-1], key + "x", key.upper(), "\x00", key.replace("_", "-", 1)):
        assert api_key_id(text) is None


async def test_a_key_acts_for_its_user_within_its_scopes() -> None:
    """It is shown once, listed without its secret, and ends at once when it is revoked."""
    service = Service()
    await service.add("ann@example.com", "editor")
    async with service.client() as api:
        tokens = await log_in(api)
        wanted = {"name": "deploy", "scopes": ["books:read"]}
        created = await api.post("/auth/api-keys", json=wanted, headers=bearer(tokens))
        assert created.status_code == 201
        key = {"X-API-Key": created.json()["key"]}
        assert (await api.get("/mine", headers=key)).json() == "ann@example.com"
        assert (await api.get("/books", headers=key)).status_code == 200
        assert (await api.post("/books", headers=key)).status_code == 403
        listed = (await api.get("/auth/api-keys", headers=bearer(tokens))).json()
        assert len(listed) == 1
        assert "key" not in listed[0]
        assert created.json()["key"].startswith(listed[0]["prefix"])
        path = f"/auth/api-keys/{listed[0]['id']}"
        assert (await api.delete(path, headers=bearer(tokens))).status_code == 204
        assert (await api.delete(path, headers=bearer(tokens))).status_code == 404
        assert (await api.get("/mine", headers=key)).status_code == 401


async def test_a_key_makes_no_keys() -> None:
    """That needs a recent login, which a key never is."""
    service = Service()
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        created = await api.post("/auth/api-keys", json={"name": "deploy"}, headers=bearer(tokens))
        key = {"X-API-Key": created.json()["key"]}
        assert (await api.post("/auth/api-keys", json={"name": "more"}, headers=key)).status_code == 401


async def test_a_key_gives_no_more_than_its_user_has() -> None:
    """Neither scopes that the user lacks, nor time beyond its end."""
    service = Service()
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        more = {"name": "deploy", "scopes": ["books:write"]}
        assert (await api.post("/auth/api-keys", json=more, headers=bearer(tokens))).status_code == 403
        day = {"name": "deploy", "expires_in_days": 1}
        created = (await api.post("/auth/api-keys", json=day, headers=bearer(tokens))).json()
        service.clock.advance(86_400)
        assert (await api.get("/mine", headers={"X-API-Key": created["key"]})).status_code == 401


async def test_a_wrong_secret_is_refused() -> None:
    """The name alone opens nothing."""
    service = Service()
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        created = (await api.post("/auth/api-keys", json={"name": "deploy"}, headers=bearer(tokens))).json()
        forged = created["key"][:-1] + ("A" if created["key"][-1] != "A" else "B")
        for key in (forged, "", "x", created["prefix"]):
            assert (await api.get("/mine", headers={"X-API-Key": key})).status_code == 401
