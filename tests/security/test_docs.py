"""The documentation pages of apps, under their policies; in a browser, where there is one."""

import socket
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response
from fastapi.testclient import TestClient

from fastapi_kit.app import create_app
from fastapi_kit.security import API_HEADERS, page_policy, protect_docs
from fastapi_kit.settings import Settings
from tests.browser import CHROMIUM


def test_every_page_has_the_policy_of_its_own_html() -> None:
    """Compressed or not, and the rest of the app keeps the strict one."""
    with TestClient(create_app(Settings(), title="T" * 2_000)) as client:
        for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
            answer = client.get(path)
            assert answer.headers["content-security-policy"] == page_policy(answer.text)
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-encoding"] == "gzip"
        plain = client.get("/openapi.json").headers["content-security-policy"]
        assert plain == client.get("/docs/none").headers["content-security-policy"]
        assert plain == API_HEADERS["Content-Security-Policy"]


def test_windows_of_a_login_find_their_way_back() -> None:
    """The page that opens one keeps it, and the one that it ends on keeps its opener."""
    app = FastAPI()
    protect_docs(app)
    client = TestClient(app)
    openers = {path: client.get(path).headers["cross-origin-opener-policy"] for path in ("/docs", "/redoc")}
    assert openers == {"/docs": "same-origin-allow-popups", "/redoc": "same-origin"}
    assert client.get("/docs/oauth2-redirect").headers["cross-origin-opener-policy"] == "unsafe-none"


def test_pages_are_where_the_app_puts_them() -> None:
    """Other paths, a root path, a mount, other servers, and none at all."""
    inner = FastAPI(docs_url="/help", redoc_url=None, servers=[{"url": "/"}, {"url": "https://api.example/v1"}])
    protect_docs(inner)
    protect_docs(inner)  # once more changes nothing
    outer = FastAPI(docs_url=None, redoc_url=None)
    protect_docs(outer)
    outer.mount("/v1", inner)
    answer = TestClient(outer, root_path="/behind").get("/behind/v1/help")
    assert "/behind/v1/openapi.json" in answer.text
    policy = answer.headers.get_list("content-security-policy")
    assert policy == [page_policy(answer.text, connect=["https://api.example"])]


def test_head_answers_as_get_does() -> None:
    """The headers are those of the page (RFC 9110, section 9.3.2)."""
    app = FastAPI()
    protect_docs(app)
    got, head = TestClient(app).get("/docs"), TestClient(app).head("/docs")
    assert head.headers["content-security-policy"] == got.headers["content-security-policy"]


@contextmanager
def served(app: FastAPI) -> Generator[str]:
    """The app on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


BUNDLE = """
window.SwaggerUIBundle = function (options) {
  fetch(options.url).then((answer) => answer.json()).then((openapi) => {
    const place = document.querySelector("#swagger-ui");
    place.setAttribute("style", "color: red");
    place.innerHTML = `<p>loaded ${openapi.info.title}</p><img src="x" onerror="this.outerHTML = 'in' + 'jected'">`;
    const late = document.createElement("script");
    late.textContent = "document.body.append('in' + 'jected')";
    document.body.append(late);
  });
};
SwaggerUIBundle.presets = { apis: [] };
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("strict", [True, False], ids=["with", "without"])
def test_a_browser_runs_the_page_and_nothing_that_gets_into_it(*, strict: bool) -> None:
    """FastAPI's page loads its script, its inline script runs and fetches the document; injected scripts do not run.

    Without the policy they do, so this would notice a browser in which nothing runs.
    """
    app = FastAPI(title="Books", docs_url=None)

    @app.get("/docs")
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(openapi_url="/openapi.json", title="T", swagger_js_url="/ui.js", swagger_css_url="")
        if strict:
            page.headers["content-security-policy"] = page_policy(bytes(page.body).decode())
        return page

    @app.get("/ui.js")
    async def script() -> Response:
        return Response(BUNDLE, media_type="text/javascript")

    with served(app) as url:
        command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000"]
        done = subprocess.run(
            [*command, "--dump-dom", f"{url}/docs"], capture_output=True, text=True, timeout=60, check=True
        )
    assert "loaded Books" in done.stdout
    assert 'style="color: red"' in done.stdout
    assert ("injected" in done.stdout) is not strict
