"""Environments: made once, renewed when their sources change, never trusted half-made."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.dev.checkout import Checkout, script

SERVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
signal.alarm(30)
try:
    print("up", flush=True)
    signal.pause()
except KeyboardInterrupt:
    sys.exit(7)
"""


@contextmanager
def changed(path: Path, text: str) -> Generator[None]:
    """Let `path` hold `text` for a while."""
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


def test_the_first_start_tells_of_its_steps_apart_from_the_output(built: Checkout) -> None:
    """Progress goes to stderr, so that stdout holds what the command prints and nothing else."""
    assert built.first is not None
    assert built.first.stdout == "pytest -k name\n"
    assert re.findall(r"^\d/3 \w+", built.first.stderr, re.MULTILINE) == ["1/3 environment", "2/3 packages", "3/3 this"]


def test_a_later_start_is_silent(built: Checkout) -> None:
    """With everything in place the command runs, and no step is taken."""
    later = built.dev("test", "-x")
    assert (later.returncode, later.stdout, later.stderr) == (0, "pytest -x\n", "")


def test_the_command_replaces_the_front_door(built: Checkout) -> None:
    """The served app is the process that the terminal started, so that Ctrl-C reaches it."""
    with subprocess.Popen(
        [built.root / "dev", "demo", "--port", "1"], env=built.env, stdout=subprocess.PIPE, text=True
    ) as process:
        output, _ = process.communicate(timeout=30)
    assert output == f"{process.pid} --port 1\n"


def test_ctrl_c_is_answered_by_the_command(built: Checkout) -> None:
    """An interrupt ends the app in the app's own way, not in the front door's."""
    with (
        changed(built.root / "examples/atlas/__main__.py", SERVER),
        subprocess.Popen([built.root / "dev", "demo"], env=built.env, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 7


@pytest.mark.slow
def test_a_half_made_environment_is_replaced_whole(built: Checkout) -> None:
    """Without its stamp, nothing of an environment is kept."""
    left_over = built.root / ".venv" / "left-over"
    left_over.touch()
    (built.root / ".venv" / "stamp.json").unlink()
    again = built.dev("test", "-x")
    assert again.stdout == "pytest -x\n", again.stderr
    assert not left_over.exists()


@pytest.mark.parametrize("path", ["constraints.txt", ".venv/stamp.json", ".venv/bin/python", ".venv/pyvenv.cfg"])
def test_an_environment_is_kept_while_its_sources_are(
    built: Checkout, door: ModuleType, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Other constraints, a lost stamp or a vanished interpreter have it made anew, and nothing else does."""
    made: list[str] = []

    def make(environment: Any) -> None:
        made.append(environment.directory)

    monkeypatch.setattr(door, "ROOT", str(built.root))
    monkeypatch.setattr(door.Environment, "_make", make)
    moved = (built.root / path).rename(built.root / "moved")
    if path == "constraints.txt":
        (built.root / path).write_text("other")
    try:
        door.Environment(None).ready()
    finally:
        moved.replace(built.root / path)
    assert made == ([] if path.endswith(".cfg") else [str(built.root / ".venv")])


def test_a_changed_project_is_installed_again_alone(built: Checkout) -> None:
    """What pyproject.toml says of the build renews the third step and leaves the packages."""
    pyproject = built.root / "pyproject.toml"
    with changed(pyproject, pyproject.read_text() + 'description = "Another"\n'):
        renewed, later = built.dev("test"), built.dev("test")
    assert "bringing the project up to date" in renewed.stderr
    assert "packages" not in renewed.stderr
    assert later.stderr == ""
    built.dev("test")


def test_tool_settings_renew_nothing(built: Checkout) -> None:
    """The settings of linters are no part of an installation."""
    pyproject = built.root / "pyproject.toml"
    with changed(pyproject, pyproject.read_text() + "[tool.ruff]\nline-length = 80\n"):
        assert built.dev("test").stderr == ""


@pytest.mark.slow
def test_a_package_with_another_hash_is_refused(new_checkout: Callable[[], Checkout]) -> None:
    """A file that is not the pinned one stops the installation with a message, and the next start tries again."""
    checkout = new_checkout()
    constraints = checkout.root / "constraints.txt"
    with changed(constraints, f"tools==1 --hash=sha256:{'0' * 64}\n"):
        refused = checkout.dev("test")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "hash" in refused.stderr.lower()
    assert "Traceback" not in refused.stderr
    assert not (checkout.root / ".venv" / "stamp.json").exists()


@pytest.mark.slow
def test_pip_takes_over_from_a_uv_that_cannot_install(new_checkout: Callable[[], Checkout]) -> None:
    """A uv that starts, but reaches no index, does not stop a machine that has pip."""
    checkout = new_checkout()
    script(checkout.root / "bin" / "uv", '[ "$1" = --version ]')
    done = checkout.dev("test", "-x")
    assert done.stdout == "pytest -x\n", done.stderr
    assert "by pip" in done.stderr


def test_a_uv_that_does_not_start_is_no_uv(door: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shim with nothing behind it counts as no uv at all."""
    uv = script(tmp_path / "uv", "exit 127")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert door.working_uv() is None
    script(uv, "exit 0")
    assert door.working_uv() == str(uv)


@pytest.mark.slow
def test_uv_makes_the_environment_where_it_works(new_checkout: Callable[[], Checkout]) -> None:
    """With uv the same three steps end in the same command."""
    uv = shutil.which("uv")
    if uv is None or subprocess.run([uv, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("uv does not run here")
    checkout = new_checkout()
    script(checkout.root / "bin" / "uv", f'PATH={os.environ["PATH"]} exec {uv} "$@"')
    done = checkout.dev("test", "-x")
    assert done.stdout == "pytest -x\n", done.stderr
    assert "by uv" in done.stderr


def test_an_environment_whose_uv_has_gone_is_explained(built: Checkout) -> None:
    """What can be renewed only by a uv that is no longer there ends in words that name the cure."""
    stamp, pyproject = built.root / ".venv" / "stamp.json", built.root / "pyproject.toml"
    with (
        changed(stamp, json.dumps({**json.loads(stamp.read_text()), "tool": "/nowhere/uv"})),
        changed(pyproject, pyproject.read_text() + 'description = "Another"\n'),
    ):
        refused = built.dev("test")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"Removing {built.root / '.venv'} has it made anew" in refused.stderr
    assert "Traceback" not in refused.stderr
