"""Several processes of one service: real ones, one of which is killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.metrics.samples import Series, samples, value

ROOT = Path(__file__).parents[2]
COUNTED = {"method": "GET", "route": "/items/{item}", "status": "200", "outcome": "ok"}


class Worker:
    """A process of the service."""

    def __init__(self, directory: Path) -> None:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)}
        command = [sys.executable, "-m", "tests.metrics.worker"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def scrape(self) -> dict[Series, float]:
        """What this process exposes."""
        return samples(self.client.get("/metrics").text)

    def stop(self, how: signal.Signals) -> None:
        """End it and wait until it is gone."""
        self.client.close()
        self.process.send_signal(how)
        self.process.communicate(timeout=30)


@contextmanager
def working(directory: Path) -> Generator[Worker]:
    """A worker that is gone at the end, however that comes."""
    worker = Worker(directory)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.stop(signal.SIGKILL)


@pytest.mark.slow
def test_whichever_process_is_asked_tells_of_all(tmp_path: Path) -> None:
    """Counts add up, also those of a process that was killed; what that one had in progress is over."""
    with working(tmp_path) as one, working(tmp_path) as other:
        for number in range(3):
            one.client.get(f"/items/{number}").raise_for_status()
        for number in range(5):
            other.client.get(f"/items/{number}").raise_for_status()
        found = one.scrape()
        # Before the other one was asked: it tells of its pool unasked.
        assert value(found, "db_pool_size", pool="database") == 2
        for worker in (one, other):
            assert value(worker.scrape(), "http_requests_total", **COUNTED) == 8
        route = {"method": "GET", "route": "/items/{item}"}
        assert value(found, "http_request_duration_seconds_bucket", **route, le="+Inf") == 8
        with socket.create_connection(("127.0.0.1", other.port)) as hanging:
            hanging.sendall(b"GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n")
            in_progress = (value(one.scrape(), "http_requests_in_progress") for _ in range(2_000))
            assert 2 in in_progress  # the scrape, and the one that hangs
            other.stop(signal.SIGKILL)
        found = one.scrape()
        assert value(found, "http_requests_in_progress") == 1
        assert value(found, "db_pool_size", pool="database") == 1
        assert value(found, "http_requests_total", **COUNTED) == 8


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    """At start-up, with what to do."""
    code = "from fastapi_kit.metrics import Metrics; Metrics()"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "none")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "PROMETHEUS_MULTIPROC_DIR is" in done.stderr
    assert "make it, empty" in done.stderr
