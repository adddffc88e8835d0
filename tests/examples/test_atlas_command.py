"""`python -m examples.atlas`, as a user runs it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from examples.atlas.__main__ import main

ROOT = Path(__file__).parents[2]
QUERY = "/cities?country_code=FR&population__gte=100000&sort=-population&limit=5"


@contextmanager
def served(folder: Path, *options: str) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Start the command in `folder` and give its address as soon as it is printed."""
    command = [sys.executable, "-m", "examples.atlas", "--port", "0", *options]
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{folder / 'new' / 'atlas.db'}", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first_line = process.stdout.readline()
            yield first_line.split()[3], process
        finally:
            process.kill()


@pytest.mark.slow
def test_the_first_start_seeds_and_the_second_serves_at_once(tmp_path: Path) -> None:
    """Real French cities from the first start on; the second is up within five seconds; Ctrl-C ends it well."""
    for _ in ("first", "second"):
        began = time.monotonic()
        with served(tmp_path) as (address, process):
            with urlopen(address + QUERY, timeout=30) as answer:  # noqa: S310
                cities = [city["name"] for city in json.load(answer)["items"]]
            took = time.monotonic() - began
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == 0
        assert cities == ["Paris", "Marseille", "Lyon", "Toulouse", "Nice"]
    assert took < 5


@pytest.mark.slow
def test_several_workers_serve(tmp_path: Path) -> None:
    """Both processes start, one world is loaded, and Ctrl-C ends all of them."""
    with served(tmp_path, "--workers", "2") as (address, process):
        with urlopen(address + QUERY, timeout=30) as answer:  # noqa: S310
            assert len(json.load(answer)["items"]) == 5
        assert process.stdout is not None
        workers = 0
        while workers < 2:
            workers += "Application startup complete" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_a_port_in_use_is_said_and_nothing_is_seeded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that names the cure, no traceback."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'atlas.db'}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    message = capsys.readouterr().err
    assert message == f"Cannot listen on 127.0.0.1:{port} (Address already in use); choose another with --port.\n"
    assert not (tmp_path / "atlas.db").exists()


def test_a_database_out_of_reach_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the database, without its password."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush@127.0.0.1:1/atlas")
    assert main(["--port", "0"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("postgresql://***@127.0.0.1:1/atlas cannot be used: ")
    assert "hush" not in message


@pytest.mark.parametrize("url", ["mysql://root@127.0.0.1/atlas", "oracle://127.0.0.1/atlas"])
def test_a_kind_of_database_that_cannot_serve_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Before anything is created there."""
    monkeypatch.setenv("DATABASE_URL", url)
    assert main(["--port", "0"]) == 1
    assert "sqlite" in capsys.readouterr().err


def test_unfit_settings_are_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is wrong with the environment, and no traceback."""
    monkeypatch.setenv("PORT", "eight")
    assert main([]) == 1
    assert "PORT" in capsys.readouterr().err
