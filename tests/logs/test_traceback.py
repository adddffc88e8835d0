"""Tracebacks of a bounded size."""

import io
import json
import logging
import sys
import time
import traceback
from typing import Any

import structlog
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.logs import configure
from fastapi_kit.logs._traceback import LONGEST, MOST_CHAINED, MOST_FRAMES, cut, format_traceback


def recurse(depth: int, message: str) -> None:
    """Raise that deep."""
    if depth == 0:
        raise LookupError(message)
    recurse(depth - 1, message)


def caught(depth: int = 0, message: str = "what", chain: int = 0) -> Any:
    """The `exc_info` of an exception that deep, after that many others."""
    try:
        try:
            if chain:
                raise caught(depth, message, chain - 1)[1]
            recurse(depth, message)
        except LookupError as error:
            raise LookupError(f"{message} {chain}") from error
    except LookupError:
        return sys.exc_info()


def test_a_common_traceback_is_pythons() -> None:
    """Nothing is left out of what is short."""
    info = caught()
    assert format_traceback(info) == "".join(traceback.format_exception(*info)).rstrip("\n")


def test_a_deep_one_ends_where_it_was_raised() -> None:
    """Of each exception the innermost frames, and that there were more."""
    text = format_traceback(caught(depth=900))
    assert text.count("in recurse\n") <= MOST_FRAMES
    assert "raise LookupError(message)" in text
    try:
        recurse(900, "what")
    except LookupError:
        assert format_traceback(sys.exc_info()).startswith(f"(the innermost {MOST_FRAMES} frames)\n")  # type: ignore[arg-type]


def test_a_long_chain_is_cut() -> None:
    """To the last exceptions, in bounded time."""
    info = caught(chain=100)
    began = time.perf_counter()
    text = format_traceback(info)
    assert time.perf_counter() - began < 1
    assert text.count("LookupError: what") == MOST_CHAINED
    assert text.startswith("(without the exceptions")
    assert text.endswith("LookupError: what 100")


def test_a_wide_group_is_cut() -> None:
    """Python itself shows the first fifteen."""
    group = ExceptionGroup("many", [LookupError("x" * 100) for _ in range(10_000)])
    assert len(format_traceback((type(group), group, None))) <= LONGEST + 100


@given(st.integers(0, 3 * LONGEST))
def test_a_text_is_cut_in_the_middle(length: int) -> None:
    """Its ends stay, and what is missing is told."""
    text = "".join(chr(33 + place % 90) for place in range(length))
    found = cut(text)
    assert len(found) <= LONGEST + 60
    assert found == text or (found[:1000] == text[:1000] and found[-1000:] == text[-1000:])
    assert (found == text) is (length <= LONGEST)


def test_what_is_logged_is_bounded() -> None:
    """By structlog and the standard library alike, in a line of JSON."""
    stream = io.StringIO()
    configure(format="json", stream=stream)
    info = caught(depth=900, message="x" * 1_000_000)
    structlog.get_logger().error("failed", exc_info=info)
    logging.getLogger("any").error("failed", exc_info=info)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert len(line) < 2 * LONGEST
        assert "LookupError" in json.loads(line)["exception"]
