"""Logging in, staying logged in, and logging out, as a client sees it."""

from dataclasses import replace
from typing import Any, cast

import pytest
from passlib.context import CryptContext

from fastapi_kit.auth import AuthOptions, Backoff, PasswordHasher
from tests.auth.services import CHEAP, OTHER_PASSWORD, PASSWORD, Service, bearer, log_in

pytestmark = pytest.mark.anyio


async def test_a_login_gives_tokens_that_work() -> None:
    """The form of OAuth2, the answer of RFC 6749, kept out of caches."""
    service = Service()
    await service.add()
    async with service.client() as api:
        response = await api.post("/auth/token", data={"username": " ANN@example.com", "password": PASSWORD})
        assert response.status_code == 200
        tokens = response.json()
        assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("bearer", 900, "books:read")
        assert response.headers["cache-control"] == "no-store"
        assert (await api.get("/mine", headers=bearer(tokens))).json() == "ann@example.com"
    assert service.kinds == ["login"]


async def test_a_failed_login_tells_nothing() -> None:
    """Unknown, known and inactive users, and those without a password, get the same answer but for the request's id."""
    service = Service()
    users = service.users
    inactive = await service.add("gone@example.com")
    users.replace(replace(inactive, is_active=False))
    await service.add("ann@example.com")
    nobody = await service.add("none@example.com")
    users.replace(replace(nobody, hashed_password=None))
    tries = [
        ("ann@example.com", OTHER_PASSWORD),
        ("bob@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("none@example.com", PASSWORD),
        ("\x00", PASSWORD),
    ]
    async with service.client() as api:
        answers = [
            await api.post("/auth/token", data={"username": email, "password": password}) for email, password in tries
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert service.kinds == ["login_failed"] * 5


async def test_tokens_are_renewed_and_the_old_one_ends_the_session() -> None:
    """Rotation, and what a thief causes with the token that was used already: nobody goes on."""
    service = Service()
    await service.add()
    async with service.client() as api:
        first = await log_in(api)
        second = (await api.post("/auth/refresh", data={"refresh_token": first["refresh_token"]})).json()
        assert (await api.get("/mine", headers=bearer(second))).status_code == 200
        stolen = await api.post("/auth/refresh", data={"refresh_token": first["refresh_token"]})
        assert stolen.status_code == 401
        owner = await api.post("/auth/refresh", data={"refresh_token": second["refresh_token"]})
        assert owner.status_code == 401
        assert (await api.get("/mine", headers=bearer(second))).status_code == 401
    assert service.kinds == ["login", "refreshed", "refresh_reused"]


@pytest.mark.parametrize("token", ["", "x", "x" * 200, "a.b.c", "\x00" * 66, "é" * 66])
async def test_what_is_no_refresh_token_is_a_401(token: str) -> None:
    """Whatever it is."""
    async with Service().client() as api:
        assert (await api.post("/auth/refresh", data={"refresh_token": token})).status_code == 401


async def test_a_logout_ends_the_access_token_at_once() -> None:
    """And the refresh token, and no other session."""
    service = Service()
    await service.add()
    async with service.client() as api:
        here, there = await log_in(api), await log_in(api)
        assert (await api.post("/auth/logout", headers=bearer(here))).status_code == 204
        assert (await api.get("/mine", headers=bearer(here))).status_code == 401
        assert (await api.post("/auth/refresh", data={"refresh_token": here["refresh_token"]})).status_code == 401
        assert (await api.get("/mine", headers=bearer(there))).status_code == 200
        assert (await api.post("/auth/logout-all", headers=bearer(there))).status_code == 204
        assert (await api.get("/mine", headers=bearer(there))).status_code == 401
        assert service.kinds == ["login", "login", "logout", "logout_all"]


async def test_sessions_are_listed_and_ended() -> None:
    """A user sees where they are logged in, and logs out there."""
    service = Service()
    await service.add()
    await service.add("bob@example.com")
    async with service.client() as api:
        here = await log_in(api)
        service.clock.advance(1)
        api.headers = [(b"user-agent", b"Browser/\xad" + 1_000 * b"9")]  # a soft hyphen, and more than one reads
        there = await log_in(api)
        stranger = await log_in(api, "bob@example.com")
        listed = (await api.get("/auth/sessions", headers=bearer(here))).json()
        assert listed[0]["user_agent"].startswith("Browser/99")
        assert len(listed[0]["user_agent"]) < 1_000
        assert [session["current"] for session in listed] == [False, True]
        path = f"/auth/sessions/{listed[0]['id']}"
        assert (await api.delete(path, headers=bearer(stranger))).status_code == 404
        assert (await api.delete(path, headers=bearer(here))).status_code == 204
        assert (await api.delete(path, headers=bearer(here))).status_code == 404
        assert (await api.get("/mine", headers=bearer(there))).status_code == 401


async def test_an_access_token_expires_and_is_renewed() -> None:
    """After its lifetime it is refused; the session goes on, up to its own end."""
    service = Service(parts={"options": AuthOptions()})
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        service.clock.advance(15 * 60)
        refused = await api.get("/mine", headers=bearer(tokens))
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        renewed = await api.post("/auth/refresh", data={"refresh_token": tokens["refresh_token"]})
        assert (await api.get("/mine", headers=bearer(renewed.json()))).status_code == 200
        service.clock.advance(30 * 86_400)
        late = await api.post("/auth/refresh", data={"refresh_token": renewed.json()["refresh_token"]})
        assert late.status_code == 401


async def test_a_disabled_user_is_out_on_the_next_request() -> None:
    """403 for the access token; the session cannot be renewed."""
    service = Service()
    user = await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        service.users.replace(replace(user, is_active=False))
        assert (await api.get("/mine", headers=bearer(tokens))).status_code == 403
        assert (await api.post("/auth/refresh", data={"refresh_token": tokens["refresh_token"]})).status_code == 401


async def test_guessing_is_slowed_down_and_ends() -> None:
    """After some attempts on an account each has to wait, known or not; the owner gets in after the wait."""
    service = Service()
    await service.add()
    async with service.client() as api:
        for email in ("ann@example.com", "bob@example.com"):
            wrong = {"username": email, "password": OTHER_PASSWORD}
            statuses = [(await api.post("/auth/token", data=wrong)).status_code for _ in range(6)]
            assert statuses == [401] * 5 + [429]
        right = {"username": "ann@example.com", "password": PASSWORD}
        waiting = await api.post("/auth/token", data=right)
        assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "1")
        service.clock.advance(1)
        assert (await api.post("/auth/token", data=right)).status_code == 200
    assert service.kinds.count("throttled") == 3


async def test_a_login_asks_for_fewer_scopes() -> None:
    """Those that are asked for, as far as the user's roles have them."""
    service = Service()
    await service.add("ann@example.com", "editor")
    async with service.client() as api:
        assert (await log_in(api))["scope"] == "books:read books:write"
        tokens = await log_in(api, scope="books:read nonsense")
        assert tokens["scope"] == "books:read"
        assert (await api.post("/books", headers=bearer(tokens))).status_code == 403


async def test_an_old_hash_is_made_anew() -> None:
    """A row of an older scheme is replaced at the first login, and still is the same password."""
    service = Service(parts={"hasher": PasswordHasher(CHEAP, legacy=("bcrypt",), deadline=0.01, bcrypt_rounds=4)})
    user = await service.add()
    make = cast("Any", CryptContext)(["bcrypt"], bcrypt__rounds=4).hash
    await service.users.set_password(user.id, make(PASSWORD))
    async with service.client() as api:
        await log_in(api)
        stored = await service.users.get(user.id)
        assert stored is not None
        assert (stored.hashed_password or "").startswith("$argon2id$")
        await log_in(api)


@pytest.mark.parametrize(("meanwhile", "status"), [("the same", 200), ("another", 401), ("gone", 401)])
async def test_an_old_hash_may_be_replaced_by_somebody_else(
    meanwhile: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another login of the same moment makes no difference; another password does, and so does the end of the user."""
    service = Service(parts={"hasher": PasswordHasher(CHEAP, legacy=("bcrypt",), deadline=0.01, bcrypt_rounds=4)})
    user = await service.add()
    users, write = service.users, service.users.set_password
    await write(user.id, cast("Any", CryptContext)(["bcrypt"], bcrypt__rounds=4).hash(PASSWORD))
    theirs = await service.auth.parts.hasher.hash(PASSWORD if meanwhile == "the same" else OTHER_PASSWORD)

    async def nobody(_user_id: str) -> None:
        return None

    async def written_meanwhile(user_id: str, hashed_password: str, /, *, replacing: str | None = None) -> bool:
        await write(user_id, theirs)
        written = await write(user_id, hashed_password, replacing=replacing)
        if meanwhile == "gone":
            monkeypatch.setattr(users, "get", nobody)
        return written

    monkeypatch.setattr(users, "set_password", written_meanwhile)
    async with service.client() as api:
        response = await api.post("/auth/token", data={"username": "ann@example.com", "password": PASSWORD})
        assert response.status_code == status
    left = await users.find("ann@example.com")
    assert left is not None
    assert left.hashed_password == theirs


async def test_a_password_that_is_changed_during_a_login_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old password was right when it was compared; the session that it would open must not outlive the change."""
    service = Service()
    user = await service.add()
    users, tokens = service.users, service.auth.parts.tokens
    opening = tokens.open

    async def changed_meanwhile(*arguments: Any) -> None:
        await users.set_password(user.id, await service.auth.parts.hasher.hash(OTHER_PASSWORD))
        await tokens.close_all(user.id, now=service.clock.now())
        await opening(*arguments)

    monkeypatch.setattr(tokens, "open", changed_meanwhile)
    async with service.client() as api:
        response = await api.post("/auth/token", data={"username": "ann@example.com", "password": PASSWORD})
        assert response.status_code == 401
        assert await tokens.sessions(user.id, now=service.clock.now()) == []


async def test_public_keys_are_for_everybody() -> None:
    """Secrets are not among them."""
    async with Service().client() as api:
        response = await api.get("/auth/jwks.json")
        assert response.json() == {"keys": []}
        assert response.headers["cache-control"] == "public, max-age=300"


def test_attempts_wait_twice_as_long_each_time() -> None:
    """Up to a bound."""
    backoff = Backoff(free=3, first=1, longest=10)
    assert [backoff.wait_after(attempts) for attempts in range(1, 9)] == [0, 0, 1, 2, 4, 8, 10, 10]
