"""What may be stored, and for how long: verdicts on headers and times."""

from typing import Any

import pytest

from fastapi_kit.cache._policy import (
    CachePolicy,
    Freshness,
    directives,
    freshness,
    is_readable,
    satisfies,
    storing_time,
)

USER = CachePolicy(60, stale_while_revalidate=30)
PUBLIC = CachePolicy(60, scope="public", vary=["Accept-Language"])


@pytest.mark.parametrize(
    ("age", "expected"),
    [(-1, "fresh"), (0, "fresh"), (59.9, "fresh"), (60, "stale"), (89.9, "stale"), (90, "expired")],
)
def test_an_answer_is_fresh_then_stale_then_expired(age: float, expected: Freshness) -> None:
    """Fresh as long as its lifetime exceeds its age (RFC 9111, section 4.2), not when they are equal."""
    assert freshness(USER, 60, age) == expected


@pytest.mark.parametrize(
    ("asked", "satisfied"),
    [
        (b"", True),
        (b"max-age=10", True),
        (b"max-age=9", False),
        (b"min-fresh=50", True),
        (b"min-fresh=51", False),
        (b"max-age=10, min-fresh=51", False),
        (b"Max-Age=9", False),
        (b'max-age="9"', False),
        (b"max-age=x, min-fresh", True),
        (b"max-age=99999999999999999999", True),
    ],
)
def test_a_client_says_how_old_an_answer_may_be(asked: bytes, satisfied: bool) -> None:
    """Of one that is 10 seconds old, and fresh for 50 more; what is no number says nothing."""
    assert satisfies(directives(asked), 10, 50) == satisfied


@pytest.mark.parametrize(
    ("method", "headers", "readable"),
    [
        ("GET", {}, True),
        ("HEAD", {}, True),
        ("POST", {}, False),
        ("GET", {b"range": b"bytes=0-1"}, False),
        ("GET", {b"if-match": b'"x"'}, False),
        ("GET", {b"if-unmodified-since": b"x"}, False),
        ("GET", {b"if-none-match": b'"x"', b"cache-control": b"no-cache"}, True),
        ("GET", {b"cache-control": b"max-age=1, NO-STORE"}, False),
    ],
)
def test_some_requests_pass_by(method: str, headers: dict[bytes, bytes], readable: bool) -> None:
    """Other methods, parts, conditions on another state, and what must not be stored."""
    assert is_readable(method, headers) == readable


@pytest.mark.parametrize(
    ("policy", "headers", "seconds"),
    [
        (USER, [], 60),
        (USER, [(b"cache-control", b"max-age=10")], 10),
        (USER, [(b"cache-control", b"max-age=10, s-maxage=20")], 20),
        (USER, [(b"cache-control", b"max-age=600")], 60),
        (USER, [(b"cache-control", b"max-age=10"), (b"cache-control", b"s-maxage=5")], 5),
        (USER, [(b"cache-control", b"s-maxage=0")], 0),
        (USER, [(b"cache-control", b"no-store")], 0),
        (USER, [(b"cache-control", b"private, max-age=10")], 10),
        (PUBLIC, [(b"cache-control", b"private, max-age=10")], 0),
        (USER, [(b"set-cookie", b"s=1")], 0),
        (USER, [(b"content-type", b"text/event-stream; charset=utf-8")], 0),
        (USER, [(b"vary", b"X-Anything, Cookie")], 60),
        (USER, [(b"vary", b"Accept-Encoding")], 0),
        (USER, [(b"vary", b"*")], 0),
        (PUBLIC, [(b"vary", b"accept-LANGUAGE")], 60),
        (PUBLIC, [(b"vary", b"Accept-Language, Cookie")], 0),
        (PUBLIC, [(b"vary", b"*")], 0),
    ],
)
def test_an_answer_says_whether_it_is_stored(
    policy: CachePolicy, headers: list[tuple[bytes, bytes]], seconds: float
) -> None:
    """As a shared cache is told to (RFC 9111, section 3); a header that the key does not depend on is not varied by."""
    assert storing_time(policy, "GET", 200, headers, policy.covered) == seconds


@pytest.mark.parametrize(
    ("method", "status", "stored"),
    [
        ("GET", 204, True),
        ("GET", 301, True),
        ("GET", 206, False),
        ("GET", 404, False),
        ("GET", 500, False),
        ("HEAD", 200, False),
    ],
)
def test_only_whole_answers_are_stored(method: str, status: int, stored: bool) -> None:
    """No errors, which may be over in a moment, no parts, and no answer without its body."""
    assert (storing_time(USER, method, status, [], USER.covered) > 0) == stored


@pytest.mark.parametrize(
    "options",
    [
        {"ttl": 0},
        {"ttl": float("nan")},
        {"ttl": 1, "stale_while_revalidate": -1},
        {"ttl": 1, "scope": "private"},
        {"ttl": 1, "max_age": 2},
        {"ttl": 1, "max_age": -1},
        {"ttl": 1, "tags": "book"},
        {"ttl": 1, "vary": "accept"},
    ],
)
def test_an_impossible_policy_is_refused(options: dict[str, Any]) -> None:
    """When the route is declared."""
    with pytest.raises(ValueError, match=r"=|several names"):
        CachePolicy(**options)


def test_clients_are_told_what_holds_for_them() -> None:
    """Whose the answer is, whether to ask, and what it depends on."""
    assert (USER.cache_control, USER.varied) == (b"private, no-cache", b"authorization, cookie")
    assert (PUBLIC.cache_control, PUBLIC.varied) == (b"public, no-cache", b"accept-language")
    assert CachePolicy(60, max_age=5, vary=["Cookie"]).varied == b"authorization, cookie"
    assert CachePolicy(60, max_age=5).cache_control == b"private, max-age=5"
