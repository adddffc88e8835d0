"""Making an account, and what happens to it, as a client sees it."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from fastapi_kit.auth import AuthOptions, UserCreate
from tests.auth.services import OTHER_PASSWORD, PASSWORD, Service, bearer, log_in

pytestmark = pytest.mark.anyio

ANN = {"email": "ann@example.com", "password": PASSWORD}


async def test_a_registration_tells_nobody_who_is_registered_already() -> None:
    """The answers are the same; the mails are not, and the first account stays as it is."""
    service = Service()
    async with service.client() as api:
        first = await api.post("/auth/register", json=ANN)
        second = await api.post("/auth/register", json={**ANN, "email": "Ann@Example.com", "password": OTHER_PASSWORD})
        assert (first.status_code, first.content) == (202, second.content)
        assert second.status_code == 202
        assert [mail.kind for mail in service.mails] == ["verify", "already_registered"]
        assert service.mails[1].token is None
        await log_in(api)


async def test_without_mails_a_registration_gives_the_user() -> None:
    """And says if the address is taken, as nobody else could."""
    service = Service(parts={"mail": None})
    async with service.client() as api:
        response = await api.post("/auth/register", json=ANN)
        assert response.status_code == 201
        expected = {"email": "ann@example.com", "is_active": True, "is_verified": False, "roles": ["reader"]}
        assert expected.items() <= response.json().items()
        assert set(response.json()) == {"id", *expected}
        assert (await api.post("/auth/register", json=ANN)).status_code == 409
        assert (await api.post("/auth/forgot", json={"email": ANN["email"]})).status_code == 404


@pytest.mark.parametrize(
    "given",
    [
        {"email": "ann", "password": PASSWORD},
        {"email": "ann@example.com\x00", "password": PASSWORD},
        {"email": "ann@example.com", "password": "short"},
        {"email": "ann@example.com", "password": "password"},
        {"email": "ann@example.com", "password": "ann@example.com"},
        {**ANN, "roles": ["admin"]},
        {**ANN, "is_verified": True},
        {"email": "ann@example.com"},
    ],
    ids=["email", "nul", "short", "common", "personal", "roles", "verified", "missing"],
)
async def test_what_is_no_registration_is_a_422(given: dict[str, Any]) -> None:
    """Addresses, passwords and rights that nobody may give themselves."""
    service = Service()
    async with service.client() as api:
        response = await api.post("/auth/register", json=given)
        assert response.status_code == 422
    assert service.mails == []


async def test_a_registration_may_ask_for_more() -> None:
    """Columns of the app's own model come in by a subclass of the schema."""

    class WithName(UserCreate):
        nickname: str

    service = Service(parts={"options": AuthOptions(create=WithName), "mail": None})
    async with service.client() as api:
        assert (await api.post("/auth/register", json=ANN)).status_code == 422
        assert (await api.post("/auth/register", json={**ANN, "nickname": "A."})).status_code == 201
    user = await service.users.find("ann@example.com")
    assert user is not None
    assert user.values == {"nickname": "A."}


async def test_an_address_is_verified_by_a_mail_once() -> None:
    """The token is good once; a login may wait for it."""
    service = Service(parts={"options": AuthOptions(verified_only=True)})
    async with service.client() as api:
        await api.post("/auth/register", json=ANN)
        login = {"username": ANN["email"], "password": PASSWORD}
        assert (await api.post("/auth/token", data=login)).status_code == 401
        token = service.mails[0].token
        assert (await api.post("/auth/verify", json={"token": token})).status_code == 204
        assert (await api.post("/auth/verify", json={"token": token})).status_code == 400
        assert (await api.post("/auth/token", data=login)).status_code == 200
        await api.post("/auth/verify/request", json={"email": ANN["email"]})
        assert len(service.mails) == 1


async def test_a_forgotten_password_is_reset_by_a_mail_and_ends_all_sessions() -> None:
    """Whoever is logged in with the old one is out, and the old one is no good any more."""
    service = Service()
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        answers = [await api.post("/auth/forgot", json={"email": email}) for email in (ANN["email"], "bob@example.com")]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].content == answers[1].content
        assert [mail.kind for mail in service.mails] == ["reset"]
        assert "token" not in repr(service.mails[0])
        given = {"token": service.mails[0].token, "password": OTHER_PASSWORD}
        assert (await api.post("/auth/reset", json={**given, "password": "short"})).status_code == 422
        assert (await api.post("/auth/reset", json=given)).status_code == 204
        assert (await api.post("/auth/reset", json=given)).status_code == 400
        assert (await api.get("/mine", headers=bearer(tokens))).status_code == 401
        assert (await _login(api, PASSWORD)).status_code == 401
        assert (await _login(api, OTHER_PASSWORD)).status_code == 200


async def test_links_that_reset_are_dead_once_one_was_used() -> None:
    """However many were mailed, and whichever is used."""
    service = Service()
    await service.add()
    async with service.client() as api:
        for _ in range(2):
            await api.post("/auth/forgot", json={"email": ANN["email"]})
        first, second = (mail.token for mail in service.mails)
        assert (await api.post("/auth/reset", json={"token": second, "password": OTHER_PASSWORD})).status_code == 204
        assert (await api.post("/auth/reset", json={"token": first, "password": PASSWORD})).status_code == 400


async def test_links_end_by_themselves_and_are_good_for_one_purpose() -> None:
    """An hour for a reset; a verification resets nothing."""
    service = Service()
    async with service.client() as api:
        await api.post("/auth/register", json=ANN)
        verification = service.mails[0].token
        given = {"token": verification, "password": OTHER_PASSWORD}
        assert (await api.post("/auth/reset", json=given)).status_code == 400
        await api.post("/auth/forgot", json={"email": ANN["email"]})
        service.clock.advance(3_600)
        given = {"token": service.mails[1].token, "password": OTHER_PASSWORD}
        assert (await api.post("/auth/reset", json=given)).status_code == 400
        assert (await api.post("/auth/verify", json={"token": "x"})).status_code == 400


async def test_a_weak_password_does_not_use_the_link_up() -> None:
    """One that is too personal is found out late, and the user may try again."""
    service = Service()
    await service.add("annabelle@example.com")
    async with service.client() as api:
        await api.post("/auth/forgot", json={"email": "annabelle@example.com"})
        given = {"token": service.mails[0].token, "password": "annabelle1"}
        assert (await api.post("/auth/reset", json=given)).status_code == 422
        assert (await api.post("/auth/reset", json={**given, "password": OTHER_PASSWORD})).status_code == 204


async def test_a_mail_that_fails_fails_no_request() -> None:
    """The answer was sent; the log has the reason."""

    async def broken(_mail: object) -> None:
        raise OSError("no route to host")

    service = Service(parts={"mail": broken})
    async with service.client() as api:
        assert (await api.post("/auth/register", json=ANN)).status_code == 202


async def test_a_changed_password_ends_the_other_sessions() -> None:
    """The one that changed it goes on."""
    service = Service()
    await service.add()
    async with service.client() as api:
        here, there = await log_in(api), await log_in(api)
        change = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        wrong = {**change, "current_password": "wrong"}
        assert (await api.post("/auth/password", json=wrong, headers=bearer(here))).status_code == 400
        assert (await api.post("/auth/password", json=change, headers=bearer(here))).status_code == 204
        assert (await api.get("/mine", headers=bearer(here))).status_code == 200
        assert (await api.get("/mine", headers=bearer(there))).status_code == 401
        assert (await _login(api, OTHER_PASSWORD)).status_code == 200
    assert service.kinds.count("password_changed") == 1


async def test_guessing_the_present_password_is_slowed_down() -> None:
    """A stolen access token does not give the password."""
    service = Service()
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        wrong = {"current_password": "wrong", "new_password": OTHER_PASSWORD}
        statuses = [
            (await api.post("/auth/password", json=wrong, headers=bearer(tokens))).status_code for _ in range(6)
        ]
        assert statuses == [400] * 5 + [429]


async def test_asking_for_mails_is_slowed_down() -> None:
    """Nobody fills a mailbox, whether or not it has an account."""
    async with Service().client() as api:
        for email in ("ann@example.com", "bob@example.com"):
            statuses = [(await api.post("/auth/forgot", json={"email": email})).status_code for _ in range(6)]
            assert statuses == [202] * 5 + [429]


async def test_an_inactive_user_gets_no_mail() -> None:
    """Neither a reset nor a verification."""
    service = Service()
    user = await service.add()
    service.users.replace(replace(user, is_active=False))
    async with service.client() as api:
        await api.post("/auth/forgot", json={"email": ANN["email"]})
        await api.post("/auth/verify/request", json={"email": ANN["email"]})
    assert service.mails == []


async def test_registration_can_be_closed() -> None:
    """There is no such route then."""
    async with Service(parts={"options": AuthOptions(registration=False)}).client() as api:
        assert (await api.post("/auth/register", json=ANN)).status_code == 404


async def test_an_audit_callback_that_fails_fails_no_request() -> None:
    """The log has both the event and the failure."""

    async def broken(_event: object) -> None:
        raise OSError("no route to host")

    service = Service(parts={"audit": broken})
    await service.add()
    async with service.client() as api:
        await log_in(api)


async def _login(api: httpx2.AsyncClient, password: str) -> httpx2.Response:
    return await api.post("/auth/token", data={"username": ANN["email"], "password": password})
