"""From an event to a line, and the line to the stream."""

import json
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, TextIO

from pydantic_core import to_json

_FIRST = ("timestamp", "level", "event", "request_id", "logger")


def render_json(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> str:
    """The event as one line of JSON: NaN as null, what JSON does not know as its `repr`, and never an exception."""
    ordered = {key: event_dict[key] for key in _FIRST if key in event_dict}  # for eyes
    ordered.update(event_dict)
    try:
        return to_json(ordered, inf_nan_mode="null", fallback=repr).decode()
    except (ValueError, RecursionError):  # pydantic's serialisation errors are ValueErrors
        texts = {str(key): value if isinstance(value, str | int) else _repr(value) for key, value in ordered.items()}
        return json.dumps(texts)  # ASCII, so a lone surrogate is an escape


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as exc:  # noqa: BLE001 - an object that cannot be shown must not take the line with it
        return f"<{type(value).__name__}, whose repr raises {type(exc).__name__}>"


class LineStream:
    """Writes whole lines to a text stream, one at a time; standard output is looked up anew for each.

    A line that cannot be written is lost: no request may fail because its log line could not be stored, as in the
    standard library's handlers.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Write a line and flush it."""
        stream: TextIO | None = self._stream or sys.stdout
        if stream is None:  # a process without standard output
            return
        try:
            with self._lock:
                try:
                    stream.write(line + "\n")
                except UnicodeEncodeError:
                    encoding = stream.encoding
                    stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
                stream.flush()
        except (OSError, ValueError):  # the pipe is broken, the stream closed
            return


class LineLogger:
    """What structlog hands finished lines to; every level writes alike."""

    def __init__(self, stream: LineStream, name: str | None) -> None:
        self.name = name
        self.msg = stream.write

    def __getattr__(self, _method: str) -> Any:
        return self.msg
