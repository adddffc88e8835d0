"""Sessions of browsers."""

import httpx2
import pytest

from fastapi_kit.auth import Cookies
from tests.auth.services import PASSWORD, Service, log_in

pytestmark = pytest.mark.anyio

ANN = {"email": "ann@example.com", "password": PASSWORD}


def with_cookies() -> Service:
    """A service that takes cookies."""
    return Service(parts={"cookies": Cookies()})


async def logged_in(api: httpx2.AsyncClient) -> dict[str, str]:
    """The header that a page adds."""
    response = await api.post("/auth/login", json=ANN)
    assert response.status_code == 200
    return {"X-CSRF-Token": response.json()["csrf_token"]}


async def test_cookies_are_such_that_browsers_guard_them() -> None:
    """For this host alone, over HTTPS, unreadable for scripts but for the CSRF token's; no token is in the body."""
    service = with_cookies()
    await service.add()
    async with service.client() as api:
        response = await api.post("/auth/login", json=ANN)
        cookies = {text.partition("=")[0]: text for text in response.headers.get_list("set-cookie")}
        assert set(cookies) == {"__Host-access", "__Host-refresh", "__Host-csrf"}
        for name, text in cookies.items():
            assert "Secure" in text
            assert "Path=/;" in text
            assert "SameSite=lax" in text
            assert "Domain" not in text
            assert ("HttpOnly" in text) == (name != "__Host-csrf")
        assert set(response.json()) == {"csrf_token", "expires_in"}
        assert response.headers["cache-control"] == "no-store"


async def test_a_page_reads_with_cookies_and_writes_with_the_csrf_token() -> None:
    """Another site's request has the cookies and not the header."""
    service = with_cookies()
    await service.add()
    async with service.client() as api:
        csrf = await logged_in(api)
        assert (await api.get("/mine")).json() == "ann@example.com"
        assert (await api.post("/mine")).status_code == 403
        assert (await api.post("/mine", headers={"X-CSRF-Token": "x" * 43})).status_code == 403
        assert (await api.post("/mine", headers=[(b"x-csrf-token", "é".encode("latin-1"))])).status_code == 403
        assert (await api.post("/mine", headers=csrf)).status_code == 200


async def test_a_planted_csrf_cookie_does_not_help() -> None:
    """The token belongs to the access token: cookie and header that merely agree are not enough."""
    service = with_cookies()
    await service.add()
    async with service.client() as api:
        await logged_in(api)
        held = f"__Host-access={api.cookies['__Host-access']}; __Host-csrf=planted"
        api.cookies.clear()
        response = await api.post("/mine", headers={"Cookie": held, "X-CSRF-Token": "planted"})
        assert response.status_code == 403


@pytest.mark.parametrize(
    ("authorization", "status"), [("Bearer x", 401), ("Bearer ", 401), ("bearer", 401), ("Basic YTpi", 200)]
)
async def test_a_header_decides_over_cookies(authorization: str, status: int) -> None:
    """A token that is no good is not made up for by a cookie; another scheme is somebody else's, such as a proxy's."""
    service = with_cookies()
    await service.add()
    async with service.client() as api:
        await logged_in(api)
        assert (await api.get("/mine", headers={"Authorization": authorization})).status_code == status


@pytest.mark.parametrize("value", ["", "x", "a.b.c", '"', "x" * 4_000, "%00", "\\"])
async def test_garbage_in_cookies_is_a_401(value: str) -> None:
    """Whatever it is."""
    async with with_cookies().client() as api:
        headers = {"Cookie": f"__Host-access={value}; __Host-refresh={value}; __Host-csrf={value}"}
        for method, path in (("GET", "/mine"), ("GET", "/maybe"), ("POST", "/mine")):
            assert (await api.request(method, path, headers=headers)).status_code == 401
        response = await api.post("/auth/refresh", data={}, headers={**headers, "X-CSRF-Token": value or "x"})
        assert response.status_code == (403 if value == "" else 401)


async def test_cookies_are_renewed_and_removed() -> None:
    """The refresh cookie needs the CSRF token, also when the access token has expired; a logout forgets all."""
    service = with_cookies()
    await service.add()
    async with service.client() as api:
        csrf = await logged_in(api)
        service.clock.advance(900)
        assert (await api.get("/mine")).status_code == 401
        assert (await api.post("/auth/refresh", data={})).status_code == 403
        renewed = await api.post("/auth/refresh", data={}, headers=csrf)
        assert renewed.status_code == 200
        csrf = {"X-CSRF-Token": renewed.json()["csrf_token"]}
        assert (await api.get("/mine")).status_code == 200
        assert (await api.post("/auth/logout", headers=csrf)).status_code == 204
        assert dict(api.cookies) == {}
        assert (await api.get("/mine")).headers["www-authenticate"] == "Bearer"


async def test_without_cookies_they_mean_nothing() -> None:
    """An access token in a cookie of an app that does not take cookies lets nobody in."""
    service = Service()
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        response = await api.get("/mine", headers={"Cookie": f"__Host-access={tokens['access_token']}"})
        assert response.status_code == 401
        assert (await api.post("/auth/login", json=ANN)).status_code == 404
        assert (await api.post("/auth/refresh", data={})).status_code == 401


def test_cookies_for_every_site_are_refused() -> None:
    """`none` sends them along with every site's requests; without HTTPS there is no prefix."""
    with pytest.raises(ValueError, match="lax"):
        Cookies(same_site="none")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert Cookies(secure=False).name("access") == "access"
