"""From an event to a line, and the line to the stream."""

import json
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import to_json
from structlog.typing import Processor

from fastapi_kit.logs._lines import LineStream

_FIRST = ("timestamp", "level", "event", "request_id", "logger")


def add_timestamp(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the `timestamp`."""
    event_dict["timestamp"] = now_as_text()
    return event_dict


def now_as_text() -> str:
    """The time in UTC, by ISO 8601, to the microsecond."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second_as_text(seconds)}.{nanoseconds // 1_000:06d}Z"


@lru_cache(maxsize=2)
def _second_as_text(seconds: int) -> str:
    """The part of a time that many lines have in common."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def render_json(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> str:
    """The event as one line of JSON, see `json_line`, with what one reads first at its beginning."""
    ordered = {key: event_dict[key] for key in _FIRST if key in event_dict}  # for eyes
    ordered.update(event_dict)
    return json_line(ordered).decode()


def json_line(event: Mapping[str, Any]) -> bytes:
    """The event as it is: NaN as null, what JSON does not know as its `repr`, and never an exception."""
    try:
        return to_json(event, inf_nan_mode="null", fallback=repr)
    except (ValueError, RecursionError):  # pydantic's serialisation errors are ValueErrors
        texts = {str(key): value if isinstance(value, str | int) else _repr(value) for key, value in event.items()}
        return json.dumps(texts).encode()  # ASCII, so a lone surrogate is an escape


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as exc:  # noqa: BLE001 - an object that cannot be shown must not take the line with it
        return f"<{type(value).__name__}, whose repr raises {type(exc).__name__}>"


class LineLogger:
    """What structlog hands finished lines to; every level writes alike."""

    def __init__(self, stream: LineStream, name: str | None) -> None:
        self.name = name
        self.msg = stream.write

    def __getattr__(self, _method: str) -> Any:
        return self.msg


@dataclass(frozen=True, slots=True)
class LineLoggers:
    """Makes structlog's loggers, and knows how `configure` has set up what comes before them.

    Attributes:
        lines: Where finished lines go.
        as_json: Whether they are JSON.
        level: The lowest level that is written.
        wrapper_class: That of structlog's configuration.
        processors: Those of structlog's configuration.
    """

    lines: LineStream
    as_json: bool
    level: int
    wrapper_class: Any
    processors: Sequence[Processor]

    def __call__(self, *names: str) -> LineLogger:
        """Make a logger; called by structlog."""
        return LineLogger(self.lines, names[0] if names else None)
