"""Writing the access event, the one event of every request, by a short way where that comes to the same line.

Theory of operation. structlog calls a chain of functions for an event, each of which copies or walks over all of it.
That suits an event of which nothing is known. Of the access event all is known but what was bound to the request: its
names are no secrets, its values are texts, numbers or null. So where structlog is as `configure` left it, for JSON, the
line is put together at once, in the order in which the chain would leave it: as text, if nothing in it has to be
escaped and nothing else is bound, else by the same functions as there. Names that steer the chain go by the chain. A
property test compares the bytes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import structlog
from pydantic_core import to_json

from fastapi_kit.logs._redaction import escape_controls, redact
from fastapi_kit.logs._rendering import LineLoggers, json_line, now_as_text
from fastapi_kit.logs._traces import add_trace, is_traced

ACCESS_LOGGER = "fastapi_kit.access"
"""The logger that writes the access events."""

_EVENT = "request"
_NULL = "null"
_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_WRITTEN_OUT = 0.0001
"""Seconds from which Python and JSON write a number alike."""
# Names that steer the chain, or that it sets itself.
_NOT_ORDINARY = frozenset(
    {"event", "level", "logger", "timestamp", "exc_info", "exception", "stack", "stack_info", "_record"}
)


class Access(NamedTuple):
    """The fields that every access event has, in their order, by names that are no secrets."""

    method: str
    url: str
    route: str | None
    status_code: int | None
    duration: float
    bytes: int
    user_agent: str | None
    client: str | None
    outcome: str


class AccessLog:
    """Writes access events to wherever structlog is configured to write."""

    def __init__(self) -> None:
        self._factory: object = None
        self._processors: list[Any] = []
        self._wrapper_class: object = None
        self._logger: Any = None
        self._direct: LineLoggers | None = None

    def write(self, level: str, access: Access, more: Mapping[str, Any], bound: Mapping[str, Any]) -> None:
        """Write an event.

        Args:
            level: `debug`, `info`, `warning` or `error`.
            access: Its fields.
            more: Those that few events have, of the same kinds.
            bound: What is bound to the request, as structlog's `get_contextvars` gives it.
        """
        config = structlog.get_config()
        factory, processors, wrapper_class = config["logger_factory"], config["processors"], config["wrapper_class"]
        # Tests replace what is in the list of processors.
        if factory is not self._factory or processors != self._processors or wrapper_class is not self._wrapper_class:
            self._prepare(factory, processors, wrapper_class)
        direct = self._direct
        if direct is None or not _NOT_ORDINARY.isdisjoint(bound):
            getattr(self._logger, level)(_EVENT, **access._asdict(), **more)
        elif _NUMBERS[level] >= direct.level:
            direct.lines.write(access_line(level, access, more, bound))

    def _prepare(self, factory: Any, processors: list[Any], wrapper_class: Any) -> None:
        """Bind the logger anew, and look whether the short way leads to the same line."""
        self._factory, self._processors, self._wrapper_class = factory, [*processors], wrapper_class
        self._logger = structlog.get_logger(ACCESS_LOGGER).bind()
        known = isinstance(factory, LineLoggers) and factory.as_json
        same = known and factory.processors == tuple(processors) and factory.wrapper_class is wrapper_class
        self._direct = factory if same else None


def access_line(level: str, access: Access, more: Mapping[str, Any], bound: Mapping[str, Any]) -> bytes:
    """The line of an access event, without its end: byte by byte what the processors of `configure` make of it.

    Args:
        level: As in `AccessLog.write`.
        access: As there.
        more: As there.
        bound: As there.
    """
    if len(bound) == 1 and not more and "request_id" in bound and not is_traced():
        text = _plain_line(level, bound["request_id"], access)
        if text is not None:
            return text.encode()
    context = add_trace(None, level, {**bound})
    line: dict[str, Any] = {"timestamp": now_as_text(), "level": level, "event": _EVENT}
    if "request_id" in context:
        line["request_id"] = context.pop("request_id")
    line["logger"] = ACCESS_LOGGER
    line.update(access._asdict())
    line.update(more)
    for name, value in context.items():
        line.setdefault(name, value)
    return json_line(escape_controls(None, level, redact(None, level, line)))


def _plain_line(level: str, request_id: Any, access: Access) -> str | None:
    """The line, if none of its texts has a character that JSON or a terminal does not take as it is."""
    method, url, route, status, duration, size, user_agent, client, outcome = access
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
