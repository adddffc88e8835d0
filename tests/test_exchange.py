"""Observers of exchanges, and what becomes of one that fails."""

import logging

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fastapi_kit._exchange import ExchangeKind
from fastapi_kit.logs import Observed, RequestContextMiddleware


class Remembering:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[ExchangeKind | Observed] = []

    def started(self, kind: ExchangeKind) -> None:
        """Remember the kind."""
        self.told.append(kind)

    def ended(self, exchange: Observed) -> None:
        """Remember all."""
        self.told.append(exchange)


class Failing:
    """Fails whenever it is told something."""

    def started(self, _kind: ExchangeKind) -> None:
        """Fail."""
        raise ZeroDivisionError

    def ended(self, _exchange: Observed) -> None:
        """Fail."""
        raise ZeroDivisionError


def test_an_observer_hears_the_beginning_and_the_end() -> None:
    """With everything that could be seen."""
    observer, app = Remembering(), FastAPI()

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        assert observer.told == ["http"]
        return item

    app.add_middleware(RequestContextMiddleware, observers=[observer])
    TestClient(app).get("/items/42")
    kind, ended = observer.told
    assert kind == "http"
    assert isinstance(ended, Observed)
    assert ended._replace(duration=0) == ("http", "GET", "/items/{item}", 200, "ok", 0, 2)
    assert ended.duration > 0


def test_a_head_request_has_no_bytes() -> None:
    """A server sends none."""
    observer, app = Remembering(), FastAPI()

    @app.head("/")
    async def answer() -> str:
        return "body"

    app.add_middleware(RequestContextMiddleware, observers=[observer])
    TestClient(app).head("/")
    ended = observer.told[1]
    assert isinstance(ended, Observed)
    assert (ended.method, ended.size) == ("HEAD", 0)


def test_an_observer_that_fails_fails_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """The request is answered, the next observer is told, and the log has the traceback."""
    observer, app = Remembering(), FastAPI()
    app.add_middleware(RequestContextMiddleware, observers=[Failing(), observer])
    with caplog.at_level(logging.ERROR, "fastapi_kit.observers"):
        assert TestClient(app).get("/nowhere").status_code == 404
    assert len(observer.told) == 2
    failures = [record for record in caplog.records if record.name == "fastapi_kit.observers"]
    assert len(failures) == 2
    assert all(record.exc_info for record in failures)
