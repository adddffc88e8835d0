"""`run`, with real servers."""

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from fastapi_kit.app import ServerOptions, run
from fastapi_kit.settings import Settings
from tests.integration.served import ROOT, free_port, served

APP = "tests.integration.draining"


def test_an_app_object_cannot_have_several_workers() -> None:
    """The message says what to give instead."""
    with pytest.raises(ValueError, match=r'2 workers .* import string, such as "shop.main:app"'):
        run(FastAPI(), Settings(workers=2))


@pytest.mark.parametrize("options", [{"keep_alive": 0}, {"graceful_timeout": 0}], ids=str)
def test_refuses_times_that_cannot_be(options: dict[str, int]) -> None:
    """No time at all is no option."""
    with pytest.raises(ValueError, match="1 or more"):
        ServerOptions(**options)


def test_idle_connections_outlive_those_of_usual_load_balancers() -> None:
    """60 seconds are what AWS's load balancers and nginx keep an idle connection for."""
    assert ServerOptions().keep_alive > 60


def get(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    """One answer, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("proxies", "client"), [("", "127.0.0.1"), ("127.0.0.0/8", "203.0.113.7")], ids=["no proxy", "a trusted proxy"]
)
def test_what_the_server_says(tmp_path: Path, workers: int, proxies: str, client: str) -> None:
    """No `Server` header; a client's address only from a trusted proxy; every line of every process in one form."""
    port, log = free_port(), tmp_path / "log"
    environment = {"PORT": str(port), "WORKERS": str(workers), "TRUSTED_PROXIES": proxies, "SECRET_KEY": "of-this-test"}
    with served([APP], port, log, **environment) as process:
        answer = get(port, "/quick", **{"X-Forwarded-For": "203.0.113.7"})
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert answer.status == 200
    assert answer.getheader("server") is None
    assert answer.getheader("date")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [access] = [line for line in lines if line.get("url") == "/quick"]
    assert access["client"] == client
    assert {line["logger"] for line in lines if line["event"] != "request"} >= {"uvicorn.error"}
    assert sum(line["event"] == "Application startup complete." for line in lines) == workers


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("app", ["tests.no_such_module:app", "tests.test_serving:broken"], ids=["missing", "broken"])
def test_an_app_that_does_not_start_is_a_failure(workers: int, app: str) -> None:
    """The status says so, or a supervisor would take it for a service that has ended well."""
    code = f"from fastapi_kit.app import run; from fastapi_kit.settings import Settings; run({app!r}, "
    code += f"Settings(port={free_port()}, workers={workers}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == 3, done.stdout


async def broken(scope: object, receive: object, send: object) -> None:
    """An app that cannot start."""
    raise RuntimeError
