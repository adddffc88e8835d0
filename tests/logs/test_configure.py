"""One form for every line."""

import io
import json
import logging
import logging.config
import logging.handlers
import threading
from typing import Any

import pytest
import structlog
import uvicorn.config
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from structlog.contextvars import bind_contextvars

from fastapi_kit.logs import RequestContextMiddleware, configure

UNUSED: Any = None


class Output(io.StringIO):
    """A stream that is a terminal if one says so."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self.terminal

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What was written, one object a line."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


def test_line_of_structlog() -> None:
    """Every line has time, level, logger and event, and what is bound to the request."""
    output = Output()
    configure(format="json", stream=output)
    bind_contextvars(request_id="r1")
    structlog.get_logger("shop.orders").warning("sold out", item="book", password="hunter2")
    (line,) = output.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "sold out",
        "request_id": "r1",
        "logger": "shop.orders",
        "item": "book",
        "password": "[redacted]",
    }


def test_line_of_a_logger_without_a_name() -> None:
    """A logger that was not named is not told."""
    output = Output()
    configure(format="json", stream=output)
    structlog.get_logger().info("sold out")
    assert set(output.lines[0]) == {"timestamp", "level", "event"}


def test_line_of_the_standard_library() -> None:
    """Records have the same form: arguments filled in, `extra` as fields, context, redaction and escapes included."""
    output = Output()
    configure(format="json", stream=output)
    bind_contextvars(request_id="r1")
    logging.getLogger("library").info("did %s\nthings", 3, extra={"token": "hunter2", "size": 5})
    (line,) = output.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "event": r"did 3\nthings",
        "request_id": "r1",
        "logger": "library",
        "token": "[redacted]",
        "size": 5,
    }


@pytest.mark.parametrize("library", ["structlog", "logging"])
def test_traceback_is_on_the_line_of_its_event(library: str) -> None:
    """An exception is one line of JSON, with its traceback readable inside."""
    output = Output()
    configure(format="json", stream=output)
    logger: Any = structlog.get_logger("shop") if library == "structlog" else logging.getLogger("shop")
    try:
        int("first\x1b[31m\nsecond")
    except ValueError:
        logger.exception("failed")
    (line,) = output.lines
    assert (line["level"], line["event"]) == ("error", "failed")
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith(r"'first\x1b[31m\nsecond'")


@pytest.mark.parametrize(("level", "expected"), [("INFO", 2), ("warning", 1), (logging.ERROR, 0), ("DEBUG", 3)])
@pytest.mark.parametrize("library", ["structlog", "logging"])
def test_level_is_the_lowest_that_is_written(level: str | int, expected: int, library: str) -> None:
    """Names in any case and numbers are levels, for both libraries, and for loggers that have one of their own."""
    output = Output()
    configure(level, "json", stream=output)
    logger: Any = structlog.get_logger("shop") if library == "structlog" else logging.getLogger("shop")
    logging.getLogger("shop").setLevel(logging.DEBUG)
    logger.debug("d")
    logger.info("i")
    logger.warning("w")
    assert len(output.lines) == expected


@pytest.mark.parametrize(
    ("options", "message"), [({"level": "LOUD"}, "choose one of NOTSET, .*DEBUG, INFO"), ({"format": "xml"}, "choose")]
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    """A mistake is told with what there is to choose from."""
    with pytest.raises(ValueError, match=message):
        configure(**options)


def test_configuring_again_replaces_the_set_up() -> None:
    """Each line comes out once, in the last form, also from loggers that wrote before."""
    first, second = Output(), Output()
    logger = structlog.get_logger("shop")
    configure("INFO", "json", stream=first)
    logger.info("one")
    configure("ERROR", "json", stream=second)
    configure("WARNING", "json", stream=second)
    logger.info("two")
    logger.warning("three")
    logging.getLogger("library").warning("four")
    assert [line["event"] for line in first.lines] == ["one"]
    assert [line["event"] for line in second.lines] == ["three", "four"]


def test_access_event_follows_a_new_set_up() -> None:
    """The middleware writes to where logging goes now."""
    client = TestClient(RequestContextMiddleware(FastAPI()))
    for output in (Output(), Output()):
        configure("INFO", "json", stream=output)
        client.get("/one")
        client.get("/two")
        assert [line["url"] for line in output.lines if line["event"] == "request"] == ["/one", "/two"]
    configure("ERROR", "json", stream=(silent := Output()))
    client.get("/one")
    assert silent.lines == []


def fail_with_a_secret(secret: str) -> None:
    """Fail with a local variable that must not be shown."""
    raise ValueError(len(secret))


def test_console_is_for_people() -> None:
    """On a terminal `auto` is colours, elsewhere JSON; on both, controls are escaped and local variables not shown."""
    terminal, pipe = Output(terminal=True), Output()
    for output in (terminal, pipe):
        configure(stream=output)
        try:
            fail_with_a_secret("hunter2".upper())
        except ValueError:
            structlog.get_logger("shop").exception("sold\nout", item="\x1b[2J")
    assert r"sold\nout" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
    assert "\x1b[0m" in terminal.getvalue()
    assert "ValueError: 7" in terminal.getvalue()
    assert "HUNTER2" not in terminal.getvalue()
    assert pipe.lines[0]["event"] == r"sold\nout"
    configure(format="console", stream=pipe)
    structlog.get_logger("shop").info("plain")
    assert "\x1b[" not in pipe.getvalue().splitlines()[-1]


def test_servers_loggers_come_out_in_the_same_form() -> None:
    """The set-up of uvicorn is taken over; its access log is silent, because there is the access event."""
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    output = Output()
    configure(format="json", stream=output)
    logging.getLogger("uvicorn.error").info(
        "Started server process [%d]\n", 7, extra={"color_message": "Started \x1b[36m%d"}
    )
    logging.getLogger("uvicorn.access").info("not shown")
    (line,) = output.lines
    assert (line["event"], line["logger"]) == ("Started server process [7]", "uvicorn.error")
    assert "color_message" not in line
    assert not logging.getLogger("uvicorn.access").hasHandlers()


@pytest.mark.anyio
async def test_server_that_sets_up_its_logging_later_is_taken_over_at_start_up() -> None:
    """With an application object, uvicorn configures logging after the application did: start-up undoes that."""
    output = Output()
    configure(format="json", stream=output)
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)

    async def app(*_: object) -> None: ...

    await RequestContextMiddleware(app)({"type": "lifespan"}, UNUSED, UNUSED)
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    assert [line["event"] for line in output.lines] == ["Application startup complete."]


@pytest.mark.anyio
async def test_loggers_are_left_alone_where_nothing_was_configured() -> None:
    """The middleware alone does not touch the standard library."""
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)

    async def app(*_: object) -> None: ...

    await RequestContextMiddleware(app)({"type": "lifespan"}, UNUSED, UNUSED)
    assert logging.getLogger("uvicorn").handlers


@pytest.mark.parametrize("when", ["before", "after"])
def test_echo_of_an_engine_comes_out_once(when: str, capsys: pytest.CaptureFixture[str]) -> None:
    """SQLAlchemy's `echo=True` prints in its own form beside; here there is one line, whenever the engine was made."""
    output = Output()
    if when == "after":
        configure(format="json", stream=output)
    engine = create_engine("sqlite://", echo=True)
    if when == "before":
        configure(format="json", stream=output)
    with engine.connect() as connection:
        connection.execute(text("SELECT 'needle'"))
    engine.dispose()
    assert [line["logger"] for line in output.lines if "needle" in line["event"]] == ["sqlalchemy.engine.Engine"]
    assert "needle" not in capsys.readouterr().out


def test_handlers_for_other_purposes_stay() -> None:
    """Handlers of terminals are replaced; captures and files are not for us to take away."""
    captured = logging.handlers.MemoryHandler(10)
    logging.getLogger().addHandler(captured)
    logging.getLogger().addHandler(logging.StreamHandler())
    configure(format="json", stream=Output())
    handlers = logging.getLogger().handlers
    assert captured in handlers
    assert not [handler for handler in handlers if type(handler) is logging.StreamHandler]


def test_record_that_cannot_be_formatted_is_reported_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in a log call does not reach the code around it."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    output = Output()
    configure(format="json", stream=output)
    logging.getLogger("library").info("%d", "not a number")
    logging.getLogger("library").info("next")
    assert [line["event"] for line in output.lines] == ["next"]


def test_threads_do_not_mix_their_lines() -> None:
    """Lines stay whole, whoever writes at the same time."""
    output = Output()
    configure(format="json", stream=output)

    def write() -> None:
        for _ in range(100):
            structlog.get_logger("shop").info("x" * 200)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(output.lines) == 800
