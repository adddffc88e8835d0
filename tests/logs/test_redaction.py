"""No secrets, no forged lines."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from fastapi_kit.logs import escape_controls, redact
from fastapi_kit.logs._redaction import REDACTED, is_secret

SECRET = "hunter2"


class Login(BaseModel):
    """A model with a secret."""

    user: str
    password: str


@dataclass
class Connection:
    """A dataclass with a secret."""

    host: str
    api_key: str


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "new_password",
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "set-cookie",
        "token",
        "access_token",
        "refreshToken",
        "X-Auth-Token",
        "secret",
        "client_secret",
        "SECRET_KEY",
        "api_key",
        "X-API-Key",
        "apiKey",
        "private-key",
        "passwd",
        "passphrase",
        "aws_credentials",
        "session_id",
    ],
)
def test_secret_names_are_known_in_every_spelling(name: str) -> None:
    """Case, dashes and underscores do not matter, nor what stands around."""
    assert is_secret(name)
    assert redact(None, "info", {name: SECRET}) == {name: REDACTED}


@pytest.mark.parametrize("name", ["user", "key", "status_code", "author", "keyboard", "path", "pass_count", "url"])
def test_other_names_are_left_alone(name: str) -> None:
    """Ordinary fields stay readable."""
    assert redact(None, "info", {name: "value"}) == {name: "value"}


NESTED: dict[str, tuple[Any, Any]] = {
    "mapping": ({"user": "a", "password": SECRET}, {"user": "a", "password": REDACTED}),
    "read-only mapping": (MappingProxyType({"token": SECRET}), {"token": REDACTED}),
    "list of mappings": ([{"token": SECRET}], [{"token": REDACTED}]),
    "raw headers": ([(b"cookie", b"hunter2"), (b"host", b"x")], [[b"cookie", REDACTED], [b"host", b"x"]]),
    "bytes name": ({b"authorization": SECRET}, {b"authorization": REDACTED}),
    "model": (Login(user="a", password=SECRET), {"user": "a", "password": REDACTED}),
    "dataclass": ((Connection("h", SECRET),), [{"host": "h", "api_key": REDACTED}]),
}


@pytest.mark.parametrize(("value", "expected"), NESTED.values(), ids=NESTED)
def test_secrets_inside_values_are_found(value: Any, expected: Any) -> None:
    """Mappings, sequences, models, dataclasses and raw headers are looked into."""
    assert redact(None, "info", {"data": value}) == {"data": expected}


def test_what_is_too_deep_to_look_into_is_not_shown() -> None:
    """A value inside itself ends, and nothing unseen is logged."""
    circle: dict[str, Any] = {"password": SECRET}
    circle["self"] = circle
    shown = str(redact(None, "info", {"data": circle}))
    assert SECRET not in shown
    assert REDACTED in shown


def test_callers_values_are_not_changed() -> None:
    """Redaction works on what is logged, not on what the application goes on using."""
    login = {"password": SECRET}
    redact(None, "info", {"login": login})
    assert login == {"password": SECRET}


def test_exception_info_passes() -> None:
    """What the traceback is made from is no value to look into."""
    info = (ValueError, ValueError(), None)
    assert redact(None, "error", {"exc_info": info})["exc_info"] is info


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ünïcödé 日本 🙂", "plain ünïcödé 日本 🙂"),
        ("a\nb", r"a\nb"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x00\x7f\x85\x9b", r"\x00\x7f\x85\x9b"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\ud800", r"\ud800"),
    ],
)
def test_control_characters_are_escaped(text: str, expected: str) -> None:
    """Line breaks, terminal escapes, reordering marks and lone surrogates become visible; other text stays."""
    event: Any = {"text": text, "inside": [{"deep": text}]}
    assert escape_controls(None, "info", event) == {"text": expected, "inside": [{"deep": expected}]}


def test_tracebacks_keep_their_line_breaks() -> None:
    """A traceback stays readable, but drives no terminal."""
    shown = escape_controls(None, "error", {"exception": "Traceback:\n\tline\nError: \x1b[0m\r\u2028"})
    assert shown["exception"] == "Traceback:\n\tline\nError: \\x1b[0m\\r\\u2028"


texts = st.text(st.characters(codec=None), max_size=20)


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.dictionaries(
        texts,
        st.recursive(texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)),
        max_size=4,
    )
)
def test_no_text_holds_what_ends_a_line(event: dict[str, Any]) -> None:
    """Law: after escaping, no text of an event has more than one line, and each can be encoded."""

    def check(value: Any) -> None:
        if isinstance(value, str):
            assert len(value.splitlines()) <= 1
            value.encode("utf-8")
            return
        items = cast("dict[str, object]", value).values() if isinstance(value, dict) else cast("list[object]", value)
        for item in items:
            check(item)

    event.pop("exception", None)
    event.pop("stack", None)
    for value in escape_controls(None, "info", event).values():
        check(value)
