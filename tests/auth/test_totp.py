"""The second factor."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.auth import totp_code, totp_uri
from fastapi_kit.auth._totp import STEP, matching_step, new_totp_secret
from tests.auth.services import PASSWORD, Service, bearer, log_in

pytestmark = pytest.mark.anyio

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B, SHA-1, eight digits."""
    assert totp_code(RFC_SECRET, seconds // STEP, digits=8) == code


@pytest.mark.parametrize(
    ("count", "code"), list(enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583"]))
)
def test_the_vectors_of_rfc_4226(count: int, code: str) -> None:
    """Appendix D, six digits."""
    assert totp_code(RFC_SECRET, count) == code


@given(step=st.integers(2, 2**40), drift=st.integers(-4, 4), second=st.integers(0, STEP - 1))
def test_a_code_is_good_in_its_step_and_the_neighbours(step: int, drift: int, second: int) -> None:
    """Law: within one step of its own a code is found, and what is found makes the code."""
    secret = base64.b32encode(RFC_SECRET).decode()
    code = totp_code(RFC_SECRET, step)
    found = matching_step(secret, code, (step + drift) * STEP + second)
    if abs(drift) <= 1:
        assert found is not None
    if found is not None:
        assert totp_code(RFC_SECRET, found) == code
        assert abs(found - step - drift) <= 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345x", "١٢٣٤٥٦", "\x00" * 6])
def test_what_is_no_code_matches_nothing(code: str) -> None:
    """Other digits than ASCII's among them; and a secret that is none matches nothing either."""
    assert matching_step(new_totp_secret(), code, 0) is None
    assert matching_step("not base 32!", "123456", 0) is None


def test_the_uri_is_what_apps_read() -> None:
    """With the account and the service in it."""
    uri = totp_uri("ABC", account="ann@example.com", issuer="My Shop")
    assert uri == "otpauth://totp/My%20Shop%3Aann%40example.com?secret=ABC&issuer=My+Shop"


async def test_a_second_factor_is_asked_for_once_it_is_set() -> None:
    """Set with a code that proves it; then each login needs one, and each code is good once."""
    service = Service()
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        setup = (await api.get("/auth/totp", headers=bearer(tokens))).json()
        wrong = {"secret": setup["secret"], "code": "000000"}
        assert (await api.put("/auth/totp", json=wrong, headers=bearer(tokens))).status_code == 400
        code = code_of(service, setup["secret"])
        confirmation = {"secret": setup["secret"], "code": code}
        assert (await api.put("/auth/totp", json=confirmation, headers=bearer(tokens))).status_code == 204
        login = {"username": "ann@example.com", "password": PASSWORD}
        missing = await api.post("/auth/token", data=login)
        assert (missing.status_code, missing.json()["error"]) == (401, "otp_required")
        replayed = await api.post("/auth/token", data={**login, "otp": code})
        assert (replayed.status_code, replayed.json()["error"]) == (401, "invalid_grant")
        service.clock.advance(STEP)
        fresh = {**login, "otp": code_of(service, setup["secret"])}
        assert (await api.post("/auth/token", data=fresh)).status_code == 200
        assert (await api.post("/auth/token", data=fresh)).status_code == 401


async def test_a_wrong_password_does_not_tell_of_a_second_factor() -> None:
    """The code is asked for by who knows the password."""
    service = Service()
    user = await service.add()
    await service.auth.parts.users.set_totp_secret(user.id, new_totp_secret())
    async with service.client() as api:
        response = await api.post("/auth/token", data={"username": user.email, "password": "wrong password"})
        assert response.json()["error"] == "invalid_grant"


async def test_codes_are_not_guessed() -> None:
    """Wrong codes count as attempts, and a right password in between does not forgive them."""
    service = Service()
    user = await service.add()
    secret = new_totp_secret()
    await service.auth.parts.users.set_totp_secret(user.id, secret)
    login = {"username": user.email, "password": PASSWORD}
    async with service.client() as api:
        statuses = [
            (await api.post("/auth/token", data={**login, **more})).status_code
            for more in ({"otp": "000000"}, {}, {"otp": "000001"}, {}, {"otp": "000002"}, {"otp": "000003"})
        ]
        assert statuses == [401] * 5 + [429]


async def test_a_second_factor_is_removed_with_a_last_code() -> None:
    """And needs a recent login, as setting it does."""
    service = Service()
    user = await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        code = {"code": "123456"}
        assert (await api.post("/auth/totp/remove", json=code, headers=bearer(tokens))).status_code == 409
        secret = new_totp_secret()
        await service.auth.parts.users.set_totp_secret(user.id, secret)
        confirmation = {"secret": secret, "code": code_of(service, secret)}
        assert (await api.put("/auth/totp", json=confirmation, headers=bearer(tokens))).status_code == 409
        good = {"code": code_of(service, secret)}
        assert (await api.post("/auth/totp/remove", json=good, headers=bearer(tokens))).status_code == 204
        await log_in(api)
        service.clock.advance(601)
        assert (await api.put("/auth/totp", json=confirmation, headers=bearer(tokens))).status_code == 401


def code_of(service: Service, secret: str) -> str:
    """What the authenticator app shows."""
    return totp_code(base64.b32decode(secret), int(service.clock.now().timestamp()) // STEP)
