"""Writing the access event, the one event of every request, by a short way where that comes to the same line.

Theory of operation. structlog calls a chain of functions for an event, each of which copies or walks over all of it.
That suits an event of which nothing is known. Of the access event all is known but what was bound to the request: its
names are no secrets, its values are texts, numbers or null. So where structlog is as `configure` left it, for JSON, the
line is put together at once, in the order in which the chain would leave it: as text, if nothing in it has to be
escaped and nothing else is bound, else by the same functions as there. Names that steer the chain go by the chain. A
property test compares the bytes.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from pydantic_core import to_json

from fastapi_kit.logs._redaction import escape_controls, redact
from fastapi_kit.logs._rendering import LineLoggers, json_line, now_as_text
from fastapi_kit.logs._traces import add_trace

ACCESS_LOGGER = "fastapi_kit.access"
"""The logger that writes the access events."""

_EVENT = "request"
_NULL = "null"
_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_FIELDS = 9
"""How many fields every event has."""
_WRITTEN_OUT = 0.0001
"""Seconds from which Python and JSON write a number alike."""
# Names that steer the chain, or that it sets itself.
_NOT_ORDINARY = frozenset(
    {"event", "level", "logger", "timestamp", "exc_info", "exception", "stack", "stack_info", "_record"}
)


class AccessLog:
    """Writes access events to wherever structlog is configured to write."""

    def __init__(self) -> None:
        self._seen: tuple[object, ...] = ()
        self._logger: Any = None
        self._direct: LineLoggers | None = None

    def write(self, level: str, fields: Mapping[str, Any], bound: Mapping[str, Any]) -> None:
        """Write an event.

        Args:
            level: `debug`, `info`, `warning` or `error`.
            fields: Texts, numbers and nulls, by names that are no secrets.
            bound: What is bound to the request, as structlog's `get_contextvars` gives it.
        """
        config = structlog.get_config()
        made_from = (config["processors"], config["wrapper_class"], config["logger_factory"])
        if made_from != self._seen:  # compares by identity first; tests replace what is in the list of processors
            self._prepare(*made_from)
        direct = self._direct
        if direct is None:
            getattr(self._logger, level)(_EVENT, **fields)
        elif _NUMBERS[level] >= direct.level:
            if _NOT_ORDINARY.isdisjoint(bound):
                direct.lines.write(access_line(level, fields, bound))
            else:
                getattr(self._logger, level)(_EVENT, **fields)

    def _prepare(self, processors: list[Any], wrapper_class: Any, factory: Any) -> None:
        """Bind the logger anew, and look whether the short way leads to the same line."""
        self._seen = ([*processors], wrapper_class, factory)
        self._logger = structlog.get_logger(ACCESS_LOGGER).bind()
        known = isinstance(factory, LineLoggers) and factory.as_json
        same = known and factory.processors == tuple(processors) and factory.wrapper_class is wrapper_class
        self._direct = factory if same else None


def access_line(level: str, fields: Mapping[str, Any], bound: Mapping[str, Any]) -> bytes:
    """The line of an access event, without its end: byte by byte what the processors of `configure` make of it.

    Args:
        level: As in `AccessLog.write`.
        fields: As there; the first nine are the same in all events.
        bound: As there.
    """
    context = add_trace(None, level, {**bound})
    if len(context) == 1 and len(fields) == _FIELDS and "request_id" in context:
        text = _plain_line(level, context["request_id"], *fields.values())
        if text is not None:
            return text.encode()
    line: dict[str, Any] = {"timestamp": now_as_text(), "level": level, "event": _EVENT}
    if "request_id" in context:
        line["request_id"] = context.pop("request_id")
    line["logger"] = ACCESS_LOGGER
    line.update(fields)
    for name, value in context.items():
        line.setdefault(name, value)
    return json_line(escape_controls(None, level, redact(None, level, line)))


def _plain_line(  # noqa: PLR0913, PLR0917 - the fields of the event
    level: str,
    request_id: Any,
    method: str,
    url: str,
    route: str | None,
    status: int | None,
    duration: float,
    size: int,
    user_agent: str | None,
    client: str | None,
    outcome: str,
) -> str | None:
    """The line, if none of its texts has a character that JSON or a terminal does not take as it is."""
    texts = f"{request_id}{method}{url}{route}{user_agent}{client}"
    if not texts.isascii() or not texts.isprintable() or '"' in texts or "\\" in texts or type(request_id) is not str:
        return None
    seconds = duration if duration >= _WRITTEN_OUT else to_json(duration).decode()
    return (
        f'{{"timestamp":"{now_as_text()}","level":"{level}","event":"{_EVENT}","request_id":"{request_id}",'
        f'"logger":"{ACCESS_LOGGER}","method":"{method}","url":"{url}","route":{_quoted(route)},'
        f'"status_code":{_NULL if status is None else status},"duration":{seconds},"bytes":{size},'
        f'"user_agent":{_quoted(user_agent)},"client":{_quoted(client)},"outcome":"{outcome}"}}'
    )


def _quoted(text: str | None) -> str:
    return _NULL if text is None else f'"{text}"'
