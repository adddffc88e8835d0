"""The policy of a page, read off it."""

import base64
import hashlib

import pytest
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html

from fastapi_kit.security import page_policy


def directives(html: str, **options: list[str]) -> dict[str, list[str]]:
    """The policy as a mapping."""
    pairs = (directive.split() for directive in page_policy(html, **options).split("; "))
    return {name: sources for name, *sources in pairs}


def sha256(script: str) -> str:
    """The hash of a script, as a source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@pytest.mark.parametrize(
    ("html", "sources"),
    [
        pytest.param("", ["'none'"], id="no script"),
        pytest.param("<script>run()</script>", [sha256("run()")], id="inline"),
        pytest.param("<SCRIPT\n>\nif (a < b && '<p>') {}</SCRIPT >", [sha256("\nif (a < b && '<p>') {}")], id="markup"),
        pytest.param("<script>a\r\nb\rc</script>", [sha256("a\nb\nc")], id="ends of lines"),
        pytest.param("<script>a</script><script>b</script>", [sha256("a"), sha256("b")], id="two"),
        pytest.param("<script></script>", [sha256("")], id="empty"),
        pytest.param("<script src='/static/ui.js'></script>", ["'self'"], id="own host"),
        pytest.param("<script src=//cdn.example/ui.js></script>", ["https://cdn.example/ui.js"], id="no scheme"),
        pytest.param(
            "<script src='https://cdn.example/a;b, c.js?v=1#x'></script>",
            ["https://cdn.example/a%3Bb%2C%20c.js"],
            id="characters of the grammar",
        ),
        pytest.param("<!-- <script>x</script> --><p onclick='x'>script</p>", ["'none'"], id="not scripts"),
    ],
)
def test_scripts_are_allowed_one_by_one(html: str, sources: list[str]) -> None:
    """By address or by hash, and nothing else."""
    assert directives(html)["script-src"] == sources


def test_swagger_ui_is_allowed_what_it_consists_of() -> None:
    """One script from its host, one by its hash, and calls to its own host."""
    html = bytes(get_swagger_ui_html(openapi_url="/openapi.json", title="T").body).decode()
    policy = directives(html)
    host, digest = policy["script-src"]
    assert host in html
    assert digest.startswith("'sha256-")
    assert policy["style-src"][0] in html
    assert policy["connect-src"] == ["'self'"]
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]


def test_redoc_gets_its_fonts_and_its_worker() -> None:
    """The style sheet of fonts loads them from another host."""
    html = bytes(get_redoc_html(openapi_url="/openapi.json", title="T").body).decode()
    assert "https://fonts.gstatic.com" in directives(html)["font-src"]
    assert directives(html)["worker-src"] == ["blob:"]
    plain = bytes(get_redoc_html(openapi_url="/o", title="T", with_google_fonts=False).body).decode()
    assert directives(plain)["font-src"] == ["'self'", "data:"]


def test_the_page_of_a_login_runs_by_its_hash() -> None:
    """It has one script and no other source."""
    html = bytes(get_swagger_ui_oauth2_redirect_html().body).decode()
    (source,) = directives(html)["script-src"]
    assert source == sha256(html.partition("<script>")[2].partition("</script>")[0])


def test_other_servers_may_be_called() -> None:
    """Where they are named."""
    assert directives("", connect=["https://api.example"])["connect-src"] == ["'self'", "https://api.example"]
