"""Events as lines, lines on streams."""

import io
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_kit.logs._lines import LineStream
from fastapi_kit.logs._rendering import LineLogger, render_json


class Sullen:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Plain:
    """An object that JSON does not know."""

    def __repr__(self) -> str:
        return "Plain()"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, 1.5),
        (float("nan"), None),
        (None, None),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=0), str(UUID(int=0))),
        (Plain(), "Plain()"),
        (b"\xff", r"b'\xff'"),
        ("\ud800", "\ud800"),
        (Sullen(), "<Sullen, whose repr raises RuntimeError>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_value_has_a_form(value: Any, expected: Any) -> None:
    """JSON types as they are, dates and numbers as text, anything else as its `repr`; nothing raises."""
    assert json.loads(render_json(None, "info", {"event": "e", "value": value}))["value"] == expected


def test_what_one_reads_first_comes_first() -> None:
    """Time, level, event, id and logger start the line, whatever was bound before."""
    line = render_json(None, "info", {"other": 1, "event": "e", "logger": "l", "request_id": "r", "timestamp": "t"})
    assert line == '{"timestamp":"t","event":"e","request_id":"r","logger":"l","other":1}'


def test_value_inside_itself_is_shown() -> None:
    """A circle does not take the line with it."""
    circle: list[Any] = []
    circle.append(circle)
    assert json.loads(render_json(None, "info", {"event": "e", "value": circle})) == {"event": "e", "value": "[[...]]"}


def test_lines_go_to_standard_output_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    """A stream that is replaced, as tests do, is followed."""
    LineLogger(LineStream(), "name").info("first")
    assert capsys.readouterr().out == "first\n"


@pytest.mark.parametrize("broken", ["closed", "pipe", "missing"])
def test_line_that_cannot_be_written_is_lost(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request fails because its line could not be stored."""

    class BrokenPipe(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    stream: Any = BrokenPipe() if broken == "pipe" else io.StringIO()
    stream.close() if broken == "closed" else None
    monkeypatch.setattr(sys, "stdout", None if broken == "missing" else stream)
    lines = LineStream()
    lines.write("lost")
    monkeypatch.setattr(sys, "stdout", kept := io.StringIO())
    lines.write("kept")
    assert kept.getvalue() == "kept\n"


def test_narrow_stream_gets_what_it_can_show() -> None:
    """A terminal that is not in Unicode shows `?`."""
    raw = io.BytesIO()
    narrow = io.TextIOWrapper(raw, encoding="ascii")
    LineStream(narrow).write("größe")
    assert raw.getvalue() == b"gr??e\n"


@settings(deadline=None)  # a loaded machine is no failure
@given(st.dictionaries(st.text(), st.text(st.characters(codec=None)) | st.floats() | st.integers() | st.binary()))
def test_every_event_is_one_line_of_json(event: dict[str, Any]) -> None:
    """Law: whatever is in an event, it is one object on one line."""
    line = render_json(None, "info", event)
    assert "\n" not in line
    assert set(json.loads(line)) == set(event)
