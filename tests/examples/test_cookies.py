"""The page with cookies: over HTTP as its script does it, and in a browser, where there is one."""

import re
from pathlib import Path

import httpx2
import pytest

from examples.cookies.main import app
from fastapi_kit.security import API_HEADERS, page_policy
from fastapi_kit.testing import client
from tests.browser import CHROMIUM, Page, opened_page
from tests.integration.served import free_port, served

ANN = {"email": "ann@example.com", "password": "a kettle of fish"}


@pytest.mark.anyio
async def test_the_page_may_run_its_own_script_alone() -> None:
    """Its policy is read off it, and the API keeps the strict one."""
    async with client(app, base_url="https://test") as api:
        page = await api.get("/")
        assert page.headers["content-security-policy"] == page_policy(page.text)
        assert "script-src 'sha256-" in page_policy(page.text)
        assert "'unsafe-inline'" not in re.sub(r"style-src[^;]*", "", page_policy(page.text))
        policy = (await api.get("/notes")).headers["content-security-policy"]
        assert policy == API_HEADERS["Content-Security-Policy"]


@pytest.mark.anyio
async def test_notes_are_kept_with_cookies_and_the_csrf_token() -> None:
    """Log in, read, write with the header and not without, renew, log out."""
    async with client(app, base_url="https://test") as api:
        assert (await api.get("/notes")).status_code == 401
        assert (await api.post("/auth/register", json=ANN)).status_code == 201
        assert (await api.post("/auth/login", json=ANN)).status_code == 200
        note = {"text": "buy milk"}
        assert (await api.post("/notes", json=note)).status_code == 403
        assert (await api.post("/notes", json=note, headers=csrf(api))).status_code == 201
        assert (await api.get("/notes")).json() == ["buy milk"]
        assert (await api.post("/auth/refresh")).status_code == 403
        before = csrf(api)
        assert (await api.post("/auth/refresh", headers=before)).status_code == 200
        assert csrf(api) != before
        assert (await api.post("/notes", json=note, headers=csrf(api))).status_code == 201
        assert (await api.post("/auth/logout", headers=csrf(api))).status_code == 204
        assert not api.cookies
        assert (await api.get("/notes")).status_code == 401


def csrf(api: httpx2.AsyncClient) -> dict[str, str]:
    """The header that the page's script makes of the cookie that it can read."""
    return {"X-CSRF-Token": api.cookies["__Host-csrf"]}


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_somebody_clicks_through_the_page(tmp_path: Path) -> None:
    """Make an account, write a note, find it after a reload, lose and renew the access token, log out, mistype."""
    port = free_port()
    command = ["uvicorn", "examples.cookies.main:app", "--port", str(port)]
    url = f"http://127.0.0.1:{port}/"
    with served(command, port, tmp_path / "log"), opened_page(tmp_path / "browser") as page:
        page.open(url)
        fill_in(page, ANN["password"])
        page.click("[value=register]")
        page.wait("document.querySelector('#who')?.textContent", ANN["email"])
        readable = page.look("document.cookie")
        assert readable.startswith("__Host-csrf=")
        assert "access" not in readable
        assert "refresh" not in readable

        page.type("[name=text]", "<b>buy milk</b>")
        page.click("#add button")
        page.wait(NOTES, "<b>buy milk</b>")
        assert page.look("fetch('/notes', {method: 'POST'}).then((answer) => answer.status)") == 403

        page.forget("__Host-access")  # as browsers do at its end
        page.open(url)
        page.wait(NOTES, "<b>buy milk</b>")

        page.click("#logout")
        fill_in(page, "a kettle of cats")
        assert page.look("document.cookie") == ""
        page.click("[value=login]")
        page.wait("document.querySelector('#problem')?.textContent !== ''")
        assert page.look("fetch('/notes').then((answer) => answer.status)") == 401


NOTES = "document.querySelector('#notes')?.textContent"


def fill_in(page: Page, password: str) -> None:
    """Wait for the form of the login, and type into it."""
    page.wait("document.querySelector('#login')?.hidden", value=False)
    page.type("[name=email]", ANN["email"])
    page.type("[name=password]", password)
