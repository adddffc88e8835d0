"""The fronts whose signatures tutorials have."""

from datetime import timedelta

import pytest

from fastapi_kit.auth import Codec, Key, create_access_token, get_password_hash, verify_password

CODEC = Codec(Key.generate())


def test_a_password_is_verified_against_its_hash() -> None:
    """The two functions go together, and take what passlib's tutorials stored."""
    assert verify_password("secret", get_password_hash("secret"))
    assert not verify_password("wrong", get_password_hash("secret"))
    assert verify_password("secret", "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW")


def test_a_token_has_what_it_was_given_and_times() -> None:
    """The data become claims, with a lifetime of 15 minutes or what is asked for."""
    claims = CODEC.decode(create_access_token({"sub": "7", "scope": "a b", "tenant": 3}, codec=CODEC))
    assert (claims.sub, claims.scope, claims.extra) == ("7", ("a", "b"), {"tenant": 3})
    assert claims.exp - claims.iat == 900
    longer = CODEC.decode(create_access_token({"sub": "7"}, timedelta(hours=1), codec=CODEC))
    assert longer.exp - longer.iat == 3600
    assert longer.jti != claims.jti


@pytest.mark.parametrize("data", [{}, {"sub": 7}, {"sub": ""}, {"sub": "7", "exp": 1}, {"sub": "7", "scope": ["a"]}])
def test_data_that_make_no_token_are_told(data: dict[str, object]) -> None:
    """A missing subject and claims that the codec writes are mistakes of the program."""
    with pytest.raises(ValueError, match=r"sub|exp"):
        create_access_token(data, codec=CODEC)
