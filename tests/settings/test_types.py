"""Comma lists and URLs that keep their credentials to themselves."""

import pytest
from pydantic import TypeAdapter, ValidationError

from fastapi_kit.settings import CommaList, SecretURL


@pytest.mark.parametrize(
    ("written", "items"),
    [
        pytest.param("a,b", ("a", "b"), id="commas"),
        pytest.param(" a , b, ", ("a", "b"), id="spaces and a last comma"),
        pytest.param("a", ("a",), id="one"),
        pytest.param(",", (), id="none"),
        pytest.param(' ["a,b", "c"]', ("a,b", "c"), id="json"),
        pytest.param(["a"], ("a",), id="a list already"),
    ],
)
def test_comma_lists_are_read_as_people_write_them(written: object, items: tuple[str, ...]) -> None:
    """Commas, spaces around them and JSON arrays all make a tuple."""
    assert TypeAdapter[tuple[str, ...]](CommaList[str]).validate_python(written) == items


def test_items_of_a_comma_list_have_a_type() -> None:
    """Each item is validated; a wrong one and broken JSON are validation errors."""
    numbers = TypeAdapter[tuple[int, ...]](CommaList[int])
    assert numbers.validate_python("1, 2") == (1, 2)
    for wrong in ("1,x", "[1"):
        with pytest.raises(ValidationError):
            numbers.validate_python(wrong)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:hunter2@db.example:5432/app?sslmode=require", "postgresql://***@db.example:5432/app"),
        ("redis://:hunter2@cache/0", "redis://***@cache/0"),
        ("redis://hunter2@cache", "redis://***@cache"),
        ("sqlite+aiosqlite:///./app.db", "sqlite+aiosqlite:///./app.db"),
        ("postgresql://db/app?user=me&password=hunter2", "postgresql://db/app"),
        ("postgresql://u:hun@ter2@db/app", "postgresql://***"),
        ("postgresql://u:hun?ter2@db/app", "postgresql://***"),
        ("postgresql://u:hun/ter2@db/app", "postgresql://***@db/app"),
        ("postgresql://db/app?user=me@x&password=hunter2", "postgresql://***"),
        ("postgresql://u:p@[::1]:5432,b.example:5433/app", "postgresql://***@[::1]:5432,b.example:5433/app"),
        ("postgresql://user:hunter2", "postgresql://***"),
        ("hunter2", "***"),
    ],
)
def test_a_url_shows_where_it_leads_and_no_credentials(url: str, shown: str) -> None:
    """Credentials in every place they can stand are left out, also where they should have been escaped."""
    secret = SecretURL(url)
    assert str(secret) == shown
    assert repr(secret) == f"SecretURL({shown!r})"
    assert TypeAdapter(SecretURL).dump_json(secret).decode() == f'"{shown}"'
    assert secret.get_secret_value() == url
