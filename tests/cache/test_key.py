"""Which requests may share an answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit._principal import UnknownUserError
from fastapi_kit.cache._key import headers_of, key_of
from fastapi_kit.cache._policy import CachePolicy

PUBLIC = CachePolicy(60, scope="public", vary=["Accept-Language"])
SCOPE: dict[str, Any] = {"path": "/x", "query_string": b"", "headers": []}


def key(policy: CachePolicy = PUBLIC, name: str = "n", **given: Any) -> str:
    """The key of a request that differs from the plain one in this."""
    scope = {**SCOPE, **given}
    return key_of(policy, name, scope, headers_of(scope["headers"]))


def test_whatever_an_answer_belongs_to_tells_it_apart() -> None:
    """Endpoint, path, query, host, and the headers that it varies by; and no others."""
    keys = [
        key(),
        key(name="m"),
        key(path="/y"),
        key(path="/\udc80"),
        key(query_string=b"a=1"),
        key(headers=[(b"host", b"one.test")]),
        key(headers=[(b"host", b"two.test")]),
        key(headers=[(b"accept-language", b"de")]),
    ]
    assert len(set(keys)) == len(keys)
    assert key(headers=[(b"cookie", b"s=1"), (b"x-y", b"z")]) == key()


def test_the_order_of_parameters_does_not_matter() -> None:
    """Unless they have the same name."""
    assert key(query_string=b"b=1&a=2&a=1") == key(query_string=b"a=2&b=1&a=1")
    assert key(query_string=b"a=1&a=2") != key(query_string=b"a=2&a=1")


TEXTS = st.lists(st.binary(max_size=6), min_size=3, max_size=3)


@given(TEXTS, TEXTS)
def test_no_two_requests_are_written_alike(one: list[bytes], other: list[bytes]) -> None:
    """However their parts may be cut: nothing at the end of one can pass for the beginning of the next."""

    def key_with(parts: list[bytes]) -> str:
        query, host, language = parts
        query = query.replace(b"&", b"")  # whose order is regular
        return key(query_string=query, headers=[(b"host", host), (b"accept-language", language)])

    same = [part.replace(b"&", b"") for part in one[:1]] + one[1:] == [
        part.replace(b"&", b"") for part in other[:1]
    ] + other[1:]
    assert (key_with(one) == key_with(other)) == same


def test_a_user_has_keys_of_his_own() -> None:
    """Whoever has credentials that nobody has looked at has none."""
    policy = CachePolicy(60)
    headers = [(b"authorization", b"Bearer x")]
    with pytest.raises(UnknownUserError):
        key(policy, headers=headers)
    ada, bob = (key(policy, headers=headers, **{"fastapi_kit.principal": name}) for name in ("ada", "bob"))
    assert len({ada, bob, key(policy), key(policy, headers=[(b"x-api-key", b"k")])}) == 4
    assert key(policy, headers=[(b"user-agent", b"one")]) == key(policy)


def test_repeated_headers_are_joined() -> None:
    """Neither of two values is left out of the key."""
    assert headers_of([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]) == {b"a": b"1, 3", b"b": b"2"}
