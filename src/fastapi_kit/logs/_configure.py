"""Setting up structlog, and the standard library's loggers in the same form."""

import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

from fastapi_kit.logs._lines import LineStream
from fastapi_kit.logs._redaction import escape_controls, redact
from fastapi_kit.logs._rendering import LineLoggers, add_timestamp, render_json
from fastapi_kit.logs._traceback import format_traceback
from fastapi_kit.logs._traces import add_trace

Format = Literal["json", "console", "auto"]

_SERVER_LOGGERS = ("uvicorn", "sqlalchemy")
_SILENT = "uvicorn.access"  # the access event replaces it
_ECHO = "sqlalchemy.engine.Engine"
_OF_FORMATTERS = ("message", "asctime", "color_message")
_LEVEL_OF_METHOD = {"warn": "warning", "exception": "error"}


def configure(level: str | int = "INFO", format: Format = "auto", *, stream: TextIO | None = None) -> None:  # noqa: A002 - the common word for it
    """Set up logging for a service: structlog and the standard library alike, one line per event.

    Every line has `timestamp` (UTC), `level`, `logger`, `event`, and what is bound to the request, first of all its
    `request_id`. Secrets are redacted, control characters escaped, and tracebacks bounded in frames and length. The
    records of uvicorn, SQLAlchemy and other libraries come out in the same form; uvicorn's access log is silenced,
    because the access event of `RequestContextMiddleware` replaces it. Calling it again replaces the set-up before.

    Call it where the application is made. A server that is started with an application *object* sets up its own logging
    later; give it `log_config=None`, or let `RequestContextMiddleware` take its loggers over at start-up.

    Args:
        level: The lowest level that is written, by name or number.
        format: `"json"` for production, `"console"` for people, `"auto"` for the one that fits: console on a terminal.
        stream: Where the lines go; by default standard output, whatever that is at the time.

    Raises:
        ValueError: There is no such level or format.
    """
    number = _level_number(level)
    if format not in {"json", "console", "auto"}:
        raise ValueError(f'format={format!r}: choose "json", "console" or "auto"')
    output: TextIO | None = stream or sys.stdout
    terminal = output is not None and output.isatty()
    as_json = format == "json" or (format == "auto" and not terminal)
    # Not the console's own tracebacks: where rich is installed they show local variables.
    console = structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=structlog.dev.plain_traceback)
    renderers: list[Processor] = [
        structlog.processors.ExceptionRenderer(format_traceback),
        escape_controls,
        render_json if as_json else console,
    ]
    lines = LineStream(stream, _notice(renderers))
    processors, wrapper_class = (*_common(), *renderers), structlog.make_filtering_bound_logger(number)
    structlog.configure(
        processors=[*processors],
        wrapper_class=wrapper_class,
        logger_factory=LineLoggers(lines, as_json, number, wrapper_class, processors),
        cache_logger_on_first_use=False,
    )
    _replace_root_handler(_Handler(lines, renderers), number)
    adopt_servers()


def adopt_servers() -> None:
    """Route the loggers of uvicorn and SQLAlchemy to the root handler, if `configure` was called; else do nothing.

    A server that sets up its own logging after `configure` undoes this, so it is done again when the application
    starts.
    """
    if not any(isinstance(handler, _Handler) for handler in logging.getLogger().handlers):
        return
    for logger in _loggers_of(_SERVER_LOGGERS):
        logger.handlers = [handler for handler in logger.handlers if not _writes_to_a_terminal(handler)]
        logger.propagate = logger.name != _SILENT
    echo = logging.getLogger(_ECHO)
    if not echo.handlers:
        # An engine with `echo=True` gives its logger a handler of its own, unless it has one.
        echo.addHandler(logging.NullHandler())


def _level_number(level: str | int) -> int:
    if isinstance(level, int):
        return level
    names = logging.getLevelNamesMapping()
    try:
        return names[level.upper()]
    except KeyError:
        raise ValueError(f"level={level!r}: choose one of {', '.join(sorted(names, key=names.__getitem__))}") from None


def _common() -> list[Processor]:
    """What happens to every event, of structlog and of the standard library alike."""
    return [
        structlog.contextvars.merge_contextvars,
        add_trace,
        _add_origin,
        add_timestamp,
        structlog.processors.StackInfoRenderer(),
        redact,
    ]


def _add_origin(logger: Any, method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name level and logger; a record of the standard library knows better than the method."""
    record = event_dict.get("_record")
    event_dict["level"] = _LEVEL_OF_METHOD.get(method, method)
    name = record.name if record is not None else getattr(logger, "name", None)
    if name is not None:
        event_dict["logger"] = name
    return event_dict


def _tidy_record(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what formatters left on the record, and what uvicorn adds for its own: colours, a final line break."""
    for name in _OF_FORMATTERS:
        event_dict.pop(name, None)
    event_dict["event"] = event_dict["event"].rstrip()
    return event_dict


def _notice(renderers: Sequence[Processor]) -> Callable[[int], str]:
    """What says that lines were dropped, in the form of all others."""

    def notice(count: int) -> str:
        event: Any = {"event": "Lines of the log were dropped: they were not read as fast as they were written."}
        event |= {"level": "warning", "logger": "fastapi_kit.logs", "dropped": count}
        for process in (add_timestamp, *renderers):
            event = process(None, "warning", event)
        return str(event)

    return notice


class _Handler(logging.Handler):
    """Writes records of the standard library in the form of structlog's events."""

    def __init__(self, lines: LineStream, renderers: Sequence[Processor]) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_common(), _tidy_record],
                processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.write(self.format(record))
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)


def _replace_root_handler(handler: _Handler, level: int) -> None:
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler) or _writes_to_a_terminal(old)]:
        root.removeHandler(old)
    handler.setLevel(level)  # loggers with a level of their own pass the root's by
    root.addHandler(handler)
    root.setLevel(level)


def _writes_to_a_terminal(handler: logging.Handler) -> bool:
    """Whether it is what `basicConfig` and the servers add; subclasses (files, captures) have other purposes."""
    return type(handler) is logging.StreamHandler


def _loggers_of(libraries: Sequence[str]) -> Iterator[logging.Logger]:
    for name in [*libraries, _SILENT, *logging.root.manager.loggerDict]:
        if name.split(".")[0] in libraries:
            yield logging.getLogger(name)
