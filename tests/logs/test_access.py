"""The short way of the access event comes to the same bytes as structlog's chain."""

import io
from collections.abc import Mapping, MutableMapping
from typing import Any

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from fastapi_kit.logs import _access, _rendering, configure

NOW = "2026-01-02T03:04:05.000006Z"
PLAIN: dict[str, Any] = {
    "method": "GET",
    "url": "/items/7",
    "route": "/items/{item_id}",
    "status_code": 200,
    "duration": 0.000123,
    "bytes": 17,
    "user_agent": "curl/8",
    "client": "192.0.2.1",
    "outcome": "ok",
}

plain = st.text("abc/ -_.{}", max_size=10)
texts = plain | st.text(st.characters(codec=None), max_size=10)
events = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "WEBSOCKET"]) | texts,
        "url": texts,
        "route": st.none() | texts,
        "status_code": st.none() | st.integers(100, 599),
        "duration": st.floats(0, 1e6).map(lambda seconds: round(seconds, 6)),
        "bytes": st.integers(0, 2**40),
        "user_agent": st.none() | texts,
        "client": st.none() | texts,
        "outcome": st.sampled_from(["ok", "error", "disconnect", "truncated"]),
    },
    optional={"slow": st.just(value=True), "close_code": st.none() | st.integers(), "error": plain},
).map(lambda event: {name: event[name] for name in [*PLAIN, *sorted(event.keys() - PLAIN.keys())]})
names = st.sampled_from(["principal", "api_key", "tenant", "route", "event", "level", "exc_info", "trace_id"]) | plain
values = texts | st.integers() | st.none() | st.lists(texts, max_size=2) | st.dictionaries(texts, texts, max_size=2)
bound = st.dictionaries(names, values, max_size=3)
ids = st.none() | st.text("0123456789abcdef-/", min_size=1, max_size=32) | texts


@pytest.fixture
def output(logging_as_it_was: None) -> io.StringIO:
    """Where lines of JSON go."""
    output = io.StringIO()
    configure("DEBUG", "json", stream=output)
    return output


def split(fields: Mapping[str, Any]) -> tuple[_access.Access, dict[str, Any]]:
    """The fields of every event, and those of few."""
    more = {name: value for name, value in fields.items() if name not in PLAIN}
    return _access.Access(**{name: fields[name] for name in PLAIN}), more


def written(output: io.StringIO) -> str:
    """What was written since it was last asked."""
    text = output.getvalue()
    output.seek(0)
    output.truncate()
    return text


@settings(deadline=None)  # a loaded machine is no failure
@given(level=st.sampled_from(["debug", "info", "warning", "error"]), fields=events, request_id=ids, context=bound)
@example(level="info", fields=PLAIN, request_id="a1", context={})
@example(level="info", fields=PLAIN | {"duration": 0.000027}, request_id="a1", context={})
@example(level="info", fields=PLAIN | {"url": '/"\\\x7f\u2028'}, request_id="a1", context={})
@example(level="info", fields=PLAIN, request_id="a1", context={"principal": "ada", "api_key": "hunter2"})
def test_short_way_and_chain_write_the_same(
    level: str, fields: dict[str, Any], request_id: str | None, context: dict[str, Any]
) -> None:
    """Law: whatever was asked and bound, the line is byte by byte what structlog's processors make of the event."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (_access, _rendering):
            patch.setattr(module, "now_as_text", lambda: NOW)
        output = io.StringIO()
        configure("DEBUG", "json", stream=output)
        clear_contextvars()
        bind_contextvars(**context, **({} if request_id is None else {"request_id": request_id}))
        getattr(structlog.get_logger("fastapi_kit.access"), level)("request", **fields)
        general = written(output)
        access, more = split(fields)
        _access.AccessLog().write(level, access, more, get_contextvars())
        assert written(output) == general
        if {"event", "level", "exc_info"}.isdisjoint(context):
            assert _access.access_line(level, access, more, get_contextvars()).decode() + "\n" == general


def test_short_way_needs_no_chain(output: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `configure` has set up for JSON is not run; the console's is."""
    log = _access.AccessLog()
    log.write("info", _access.Access(**PLAIN), {}, get_contextvars())
    written(output)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    bound = structlog.BoundLoggerBase
    monkeypatch.setattr(bound, "_proxy_to_logger", fail)
    log.write("info", _access.Access(**PLAIN), {}, get_contextvars())
    assert '"event":"request"' in written(output)
    configure("INFO", "console", stream=output)
    with pytest.raises(AssertionError):
        log.write("info", _access.Access(**PLAIN), {}, get_contextvars())


def test_processors_of_others_are_run(output: io.StringIO) -> None:
    """A chain that was changed after `configure` is the one that counts."""
    log = _access.AccessLog()
    log.write("info", _access.Access(**PLAIN), {}, get_contextvars())
    written(output)

    def of_the_shop(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**event, "service": "shop"}

    structlog.configure(processors=[of_the_shop, *structlog.get_config()["processors"]])
    log.write("info", _access.Access(**PLAIN), {}, get_contextvars())
    assert '"service":"shop"' in written(output)


def test_level_holds_on_the_short_way(output: io.StringIO) -> None:
    """Events below the level are not written."""
    configure("WARNING", "json", stream=output)
    log = _access.AccessLog()
    log.write("info", _access.Access(**PLAIN), {}, get_contextvars())
    assert not written(output)
    log.write("error", _access.Access(**PLAIN), {}, get_contextvars())
    assert written(output).count("\n") == 1
