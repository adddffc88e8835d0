"""CORS policies: what is refused, and what the rest lets in."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_kit.security import CORS


def allowed(cors: CORS, origin: str) -> bool:
    """Whether a page of this origin may read an answer."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, **cors.options())
    return "access-control-allow-origin" in TestClient(app).get("/", headers={"origin": origin}).headers


@pytest.mark.parametrize(
    ("origin", "cure"),
    [
        ("null", "Serve the page from a host"),
        ("https://app.example.com/", "Write 'https://app.example.com'"),
        ("https://app.example.com/path", "Write 'https://app.example.com'"),
        ("https://app.example.com?x=1", "Write 'https://app.example.com'"),
        ("https://user@app.example.com", "Write 'https://app.example.com'"),
        ("https://App.Example.com", "Write 'https://app.example.com'"),
        ("https://app.example.com:443", "Write 'https://app.example.com'"),
        ("http://app.example.com:80", "Write 'http://app.example.com'"),
        ("https://app.example.com:99999", "write one such as"),
        ("app.example.com", "write one such as"),
        ("ftp://app.example.com", "write one such as"),
        ("https://", "write one such as"),
        ("https://büro.example", "write one such as"),
        ("https://app.*.example.com", "two labels"),
        ("https://*example.com", "write one such as"),
        ("https://*.com", "two labels"),
        ("a*.https://example.com", "write one such as"),
        ("", "write one such as"),
    ],
)
def test_what_browsers_never_send_is_refused(origin: str, cure: str) -> None:
    """The message says what to write."""
    with pytest.raises(ValueError, match=re.escape(cure)):
        CORS(origins=["https://fine.example", origin])


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ({"origins": ["*"], "credentials": True}, "name the origins"),
        ({"origins": "https://app.example.com"}, "list of origins"),
        ({"origin_regex": r"https://.*\.example\.com"}, "not anchored"),
        ({"origin_regex": r"^https://.*\.example\.com"}, "not anchored"),
        ({"origin_regex": r"https://.*\.example\.com$"}, "not anchored"),
        ({"origin_regex": r"^https://example\.com|https://evil\.com$"}, "not anchored"),
        ({"origin_regex": r"^(https)://[|)]x\.example|b\.example$"}, "not anchored"),
        ({"origin_regex": r"^https://app.example\.com$"}, "stands for any character"),
        ({"origin_regex": r"^https://.*example\.com$"}, "lets https://strangerexample.com in"),
        ({"origin_regex": r"\Ahttps://([a-z.]+)example\.com\Z"}, "lets https://strangerexample.com in"),
        ({"origin_regex": "^.*$"}, "lets null in"),
        ({"origin_regex": "^https://.+$"}, "lets https://stranger.example in"),
        ({"origin_regex": "^https://("}, "no regular expression"),
    ],
)
def test_what_lets_strangers_in_is_refused(options: dict[str, Any], cure: str) -> None:
    """Whoever writes one of these is told before the first request."""
    with pytest.raises(ValueError, match=cure):
        CORS(**options)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://app.example.com", True),
        ("https://a.b.wild.example", True),
        ("https://wild.example", False),
        ("https://evilwild.example", False),
        ("https://a.wild.example.evil.com", False),
        ("http://a.wild.example", False),
        ("https://a.wildxexample", False),
        ("http://localhost:5173", True),
        ("http://[::1]:5173", True),
        ("https://v12.preview.example", True),
        ("https://a.b.team.preview.example", True),
        ("https://v12.previewxexample", False),
        ("null", False),
    ],
)
def test_who_may_read(origin: str, *, expected: bool) -> None:
    """Origins by name, by wildcard and by expression, each for itself."""
    cors = CORS(
        origins=["https://app.example.com", "https://*.wild.example", "http://localhost:5173", "http://[::1]:5173"],
        origin_regex=r"^https://(?:v\d+|main|[a-z.]+\.team)\.preview\.example$",
        credentials=True,
    )
    assert allowed(cors, origin) is expected


def test_an_api_for_everybody_says_so() -> None:
    """Without credentials the star is fine."""
    assert allowed(CORS(origins=["*"]), "https://whoever.example")


def test_scripts_may_read_what_the_kit_answers() -> None:
    """Headers that the kit's own answers have are exposed."""
    assert {"ETag", "Location", "Link", "Retry-After", "X-Request-ID"} <= set(CORS().options()["expose_headers"])


labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=2, max_size=4).map(".".join)


@settings(deadline=None)  # a loaded machine is no failure
@given(domain=domains, origin=st.text(max_size=40) | domains.map("https://{}".format), prefix=labels)
def test_a_wildcard_lets_in_subdomains_and_nothing_else(domain: str, origin: str, prefix: str) -> None:
    """Law: an origin passes if and only if it is one or more labels in front of the domain."""
    pattern = CORS(origins=[f"https://*.{domain}"]).options()["allow_origin_regex"]
    for candidate in (origin, f"https://{domain}", f"https://{prefix}.{domain}", f"https://{prefix}{domain}"):
        inside = candidate.removesuffix(f".{domain}").removeprefix("https://")
        expected = candidate == f"https://{inside}.{domain}" and all(
            re.fullmatch("[a-z0-9_-]+", x) for x in inside.split(".")
        )
        assert bool(re.fullmatch(pattern, candidate)) is expected
