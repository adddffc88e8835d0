"""Bounded text, one-line text and escaped text."""

import re
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fastapi_kit.schemas import EscapedText, Line, SafeInput, Text, line, text

TEXT = TypeAdapter[str](Text)
LINE = TypeAdapter[str](Line)
ESCAPED = TypeAdapter[str](EscapedText)


def accepts(adapter: TypeAdapter[str], value: str) -> bool:
    """Whether the type takes `value`."""
    try:
        return adapter.validate_python(value) == value
    except ValidationError:
        return False


@given(st.text(st.characters(categories=None), max_size=30))
def test_text_is_what_can_be_stored_and_sent(value: str) -> None:
    """Law: `Text` takes exactly what has no NUL and can be encoded as UTF-8."""
    storable = "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    assert accepts(TEXT, value) is storable


@given(st.text(max_size=30))
def test_the_json_schema_is_exact(value: str) -> None:
    """Law: the pattern that clients see agrees with what the type takes."""
    for adapter in (TEXT, LINE):
        pattern = adapter.json_schema()["pattern"]
        assert accepts(adapter, value) is bool(re.search(pattern.replace("$", r"\Z"), value))  # as in JSON schema


@pytest.mark.parametrize("separator", ["\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\0"])
def test_a_line_is_one_line(separator: str) -> None:
    """Nothing that a log, a header or a terminal takes as a control is in a `Line`."""
    assert not accepts(LINE, f"a{separator}b")
    assert accepts(LINE, "São Tomé & Príncipe 🇸🇹")


@pytest.mark.parametrize(
    ("adapter", "bound"),
    [
        pytest.param(TEXT, 10_000, id="Text"),
        pytest.param(LINE, 255, id="Line"),
        pytest.param(TypeAdapter(Annotated[str, text(max_length=3)]), 3, id="text()"),
        pytest.param(TypeAdapter(Annotated[str, line(max_length=3)]), 3, id="line()"),
    ],
)
def test_length_is_bounded_in_code_points(adapter: TypeAdapter[str], bound: int) -> None:
    """The bound counts code points, is inclusive, and stands in the JSON schema."""
    assert accepts(adapter, "🇸" * bound)
    assert not accepts(adapter, "a" * (bound + 1))
    assert adapter.json_schema()["maxLength"] == bound


def test_least_length() -> None:
    """`min_length` refuses shorter text."""
    assert not accepts(TypeAdapter(Annotated[str, text(max_length=9, min_length=2)]), "a")


def test_escapes_html_after_the_length_is_checked() -> None:
    """The bound is on what the client sent, not on what escaping made of it."""
    assert ESCAPED.validate_python("<" * 10_000) == "&lt;" * 10_000
    assert (
        ESCAPED.validate_python("""<a href='x'>"&"</a>""") == "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;&quot;&lt;/a&gt;"
    )


def test_safe_input_escapes_both_fields() -> None:
    """Title and content come out escaped."""
    assert SafeInput(title="<i>", content="&").model_dump() == {"content": "&amp;", "title": "&lt;i&gt;"}


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"title": "", "content": "a"}, id="empty title"),
        pytest.param({"title": "a" * 101, "content": "a"}, id="long title"),
        pytest.param({"title": "a", "content": "a" * 1001}, id="long content"),
        pytest.param({"title": "a", "content": "\0"}, id="NUL"),
    ],
)
def test_safe_input_keeps_its_bounds(payload: dict[str, Any]) -> None:
    """Titles of 1 to 100 and contents of up to 1000 code points are taken, others are not."""
    with pytest.raises(ValidationError):
        SafeInput.model_validate(payload)
