"""The codec: a round trip, and no token but the one that was made."""

from datetime import UTC, datetime, timedelta

import pytest

from fastapi_kit.auth import Claims, Codec, InvalidTokenError, Key


def test_the_claims_of_a_token_are_those_it_was_made_of() -> None:
    """A token gives back what went into it."""
    codec = Codec(Key.generate(), issuer="https://id.example", audience="api")
    claims = Claims.issue("7", now=datetime.now(UTC), lifetime=timedelta(minutes=5), scope=["read"], extra={"n": [1]})
    assert codec.decode(codec.encode(claims)) == claims


def test_another_key_does_not_verify() -> None:
    """A token of another key is refused for its signature."""
    claims = Claims.issue("7", now=datetime.now(UTC), lifetime=timedelta(minutes=5))
    with pytest.raises(InvalidTokenError) as caught:
        Codec(Key.generate()).decode(Codec(Key.generate()).encode(claims))
    assert caught.value.reason == "signature"
