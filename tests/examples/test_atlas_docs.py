"""The atlas' `/docs` in a browser, where there is one: with the real Swagger UI, under the page's policy."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, opened_page
from tests.integration.served import free_port, served


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_somebody_authorizes_in_the_docs_and_calls_what_is_protected(tmp_path: Path) -> None:
    """With the login that the start has printed: 401 before, 200 with it, 401 after it is taken back."""
    port = free_port()
    log = tmp_path / "log"
    command = ["examples.atlas", "--port", str(port)]
    with (
        served(command, port, log, DATABASE_URL=f"sqlite:///{tmp_path / 'atlas.db'}"),
        opened_page(tmp_path / "browser") as page,
    ):
        printed = re.search(r"as (\S+), password (\S+) \(", log.read_text())
        assert printed is not None
        email, password = printed.groups()
        page.serve("cdn.jsdelivr.net", Path(str(files("fastapi_offline") / "static")))

        page.open(f"http://127.0.0.1:{port}/docs")
        page.wait(f"document.querySelector('{VISITS} .opblock-summary') !== null")
        page.click(f"{VISITS} .opblock-summary-path")
        page.wait(f"document.querySelector('{VISITS} .try-out__btn') !== null")
        page.click(f"{VISITS} .try-out__btn")
        page.click(f"{VISITS} .execute")
        page.wait(STATUS, "401")

        page.click(".scheme-container .authorize")
        page.wait("document.querySelector('#oauth_username') !== null")
        page.type("#oauth_username", email)
        page.type("#oauth_password", password)
        page.click(f"{FORM} .authorize")
        page.wait(f"document.querySelector('{FORM} h6')?.textContent", "Authorized")
        page.click(f"{FORM} .btn-done")
        page.click(f"{VISITS} .execute")
        page.wait(STATUS, "200")

        page.click(".scheme-container .authorize")
        page.wait(f"document.querySelector('{FORM} .authorize') !== null")
        page.click(f"{FORM} .authorize")
        page.click(f"{FORM} .btn-done")
        page.click(f"{VISITS} .execute")
        page.wait(STATUS, "401")


VISITS = "#operations-visits-list_visits"
STATUS = f"document.querySelector('{VISITS} .live-responses-table tbody .response-col_status')?.firstChild.textContent"
FORM = ".auth-container"
